"""STUN and TURN servers: a TURN relay carries the sound where the network lets no media through."""
