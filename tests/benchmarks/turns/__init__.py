"""How soon, and how wrongly, the bot takes a pause for the end of the user's turn: `make bench-turns`."""
