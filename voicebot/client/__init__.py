"""A client of `/ws` for the terminal, which can also put load on a bot."""
