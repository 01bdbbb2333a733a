"""Stores conversations beyond their sessions, in SQLite or Postgres."""
