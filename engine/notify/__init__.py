"""Telling people by the notification rules of a spec: what is new, how it is said, and the ways that it goes."""
