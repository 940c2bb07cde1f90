"""Where photos live, bytes to pixels, splits, the demo photos."""
