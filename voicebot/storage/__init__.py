"""Conversations outlive their sessions: what was said and heard, in SQLite or in Postgres."""
