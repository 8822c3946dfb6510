"""Orders, matching and the account of the simulated broker."""
