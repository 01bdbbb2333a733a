"""What an operator can set, and the limits that nobody has to."""
