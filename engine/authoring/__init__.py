"""Writes first specs: from the columns of an export, and from tables of field pairs."""
