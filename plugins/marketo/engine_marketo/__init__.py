"""Marketo Engage for Lead Engine."""
