"""Fixtures that every test may ask for."""

import gc

import hypothesis
import structlog

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

# A machine that stands still for half a second is no defect of the example that it met.
hypothesis.settings.register_profile("theta", deadline=None)
hypothesis.settings.load_profile("theta")

# A log line with an exception shows its traceback without every local: that takes 5 s a time.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what was imported: half a million objects that stay,
    looked through again and again."""
    gc.collect()
    gc.freeze()
