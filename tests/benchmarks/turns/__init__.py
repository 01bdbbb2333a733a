"""Cases and measurements for the end of the user's turn: `make bench-turns`."""
