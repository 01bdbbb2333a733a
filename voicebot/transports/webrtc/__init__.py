"""WebRTC: sessions of the page, and of programs that speak FastRTC's protocol."""
