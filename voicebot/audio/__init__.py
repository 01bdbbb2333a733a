"""Sound: frames, rates, and the echo of the bot's own voice."""
