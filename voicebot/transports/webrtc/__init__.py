"""Sessions over WebRTC."""
