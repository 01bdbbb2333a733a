"""The agent: a graph of a model and its tools, and who it is."""
