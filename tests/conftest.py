"""Fixtures that every test may ask for."""

from tests.support.servers import (
    database,
    migrated_template,
    postgres_server,
    redis_server,
    redis_url,
    reused_database,
    server_folder,
)

__all__ = [
    "database",
    "migrated_template",
    "postgres_server",
    "redis_server",
    "redis_url",
    "reused_database",
    "server_folder",
]
