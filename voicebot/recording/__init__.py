"""A session to take along: its sound, what was said and heard, what happened, and how long it took."""
