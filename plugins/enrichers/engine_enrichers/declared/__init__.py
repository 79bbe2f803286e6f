"""Providers that are declared in files: reading the files, asking, and reading the answers."""
