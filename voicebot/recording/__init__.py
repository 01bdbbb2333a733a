"""Records sessions: their sound, their transcript, and their events."""
