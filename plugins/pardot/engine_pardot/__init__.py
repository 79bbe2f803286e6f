"""Pardot (Account Engagement) for Lead Engine."""
