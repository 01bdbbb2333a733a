"""Scripts that prepare the bot for hosting."""
