"""The web server: routes, limits, and the page."""
