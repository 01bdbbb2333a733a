"""Several worker processes that serve one address, and what they know of one another."""
