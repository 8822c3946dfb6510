"""Domain types, contracts, database, telemetry shared by every service."""
