"""Reads the project's Markdown pages, checks what they name, and runs their commands (`python -m tests.documents`)."""
