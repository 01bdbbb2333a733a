"""Audio: samples, sampling rates and resampling, and the echo of the bot's own voice."""
