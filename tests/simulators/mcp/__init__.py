"""MCP servers: one that is built with the official SDK, and one that misbehaves in the way that it is told."""
