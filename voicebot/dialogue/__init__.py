"""The pure core: what happens in a conversation, and what is to be done about it."""
