"""The settings for operators, and the figures that no operator has to set."""
