"""The agent that writes the answers: a graph of a model and its tools, and the personas that it can have."""
