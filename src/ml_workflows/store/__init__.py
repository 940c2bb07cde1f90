"""Digests, the content-addressed store, the step cache, run records."""
