"""Scripts that prepare the bot for the places where it is hosted."""
