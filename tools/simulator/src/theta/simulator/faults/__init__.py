"""What can go wrong, when it does, and what a client sees of it."""
