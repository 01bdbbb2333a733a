"""Makes the application from its settings."""
