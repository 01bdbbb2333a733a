"""Clocks, threads, memory and limits of the process, and the containment of faults."""
