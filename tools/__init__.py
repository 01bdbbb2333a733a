"""Scripts that make what the package ships, and no part of the package."""
