"""The web server: its routes, its limits on connections, and the page."""
