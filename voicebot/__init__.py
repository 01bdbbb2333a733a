"""A voice bot that pauses when you speak over it, decides what you meant, and goes on or gives way."""

__version__ = "0.1.0"
