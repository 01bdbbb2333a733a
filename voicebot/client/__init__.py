"""A client of `/ws` for the terminal, which is also the load driver."""
