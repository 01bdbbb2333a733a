"""Records sessions: their sound, what was said and heard, and what happened."""
