"""Models that hear whether a turn is over. They are optional: a session goes on without one."""
