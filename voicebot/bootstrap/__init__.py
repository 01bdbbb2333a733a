"""Creates the application from its settings."""
