"""Turns a stream of tokens into sentences, and sentences into text for a voice."""
