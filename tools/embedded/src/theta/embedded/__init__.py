"""Real PostgreSQL and Redis from wheels, the demo and the oracle."""
