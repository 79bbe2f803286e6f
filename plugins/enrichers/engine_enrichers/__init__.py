"""Enrichers for Lead Engine: offline normalisation and declared HTTP providers."""
