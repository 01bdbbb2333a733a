"""What is particular to each language: words, writing, prompts, names."""
