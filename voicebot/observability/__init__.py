"""What operators are told: metrics, traces."""
