"""One conversation with one user, whatever the transport."""
