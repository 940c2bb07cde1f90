"""The terminal: parsing, progress, tables."""
