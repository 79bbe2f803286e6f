"""Enrichers that need no network."""
