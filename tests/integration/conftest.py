"""Fixtures for tests that run services as processes."""

from tests.support.service_processes import durable_database, durable_server

__all__ = ["durable_database", "durable_server"]
