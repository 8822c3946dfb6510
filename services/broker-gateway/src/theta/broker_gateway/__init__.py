"""The one process that owns the broker session, and the HTTP API."""
