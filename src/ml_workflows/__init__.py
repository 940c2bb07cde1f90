"""From labelled photos to an evaluated, shippable image classifier."""

__version__ = "0.1.0"
