"""The control API: tells the truth and arms faults. Loopback only."""
