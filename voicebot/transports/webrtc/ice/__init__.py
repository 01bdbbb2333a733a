"""TURN: where the network lets no media through, a relay that both sides can reach, and credentials that expire."""
