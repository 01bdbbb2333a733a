"""A stream of tokens becomes sentences, and sentences become text for a voice."""
