"""Clocks, threads, memory and faults of this process."""
