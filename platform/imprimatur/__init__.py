"""Imprimatur: governed image generation; nothing leaves without a recorded human decision."""

__version__ = "0.1.0"
