"""Real PostgreSQL and Redis for tests: one pair for each pytest process, started on first use.

Import the fixtures by name in `tests/conftest.py`; a test that asks for none pays nothing.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from theta.embedded.postgres import EmbeddedPostgres
from theta.embedded.redis import EmbeddedRedis
from theta.embedded.schema import (
    ROLES,
    create_database,
    drop_database,
    migrate,
    with_database,
    with_login,
)

TEMPLATE_DATABASE = "theta_template"
ROLE_PASSWORDS = {role: f"{role}-password" for role in ROLES}

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A freshly migrated database of one test."""

    superuser_url: str

    def url_for(self, role: str) -> str:
        """Return the URL with the login of a service role, such as `theta_risk`."""
        return with_login(self.superuser_url, role, ROLE_PASSWORDS[role])


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Yield a folder that the servers' own account may enter (pytest's own folders are closed)."""
    folder = Path(tempfile.mkdtemp(prefix="theta-servers-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a running PostgreSQL; commits are synced as in production."""
    # Without full-page writes a power cut could tear a page: of no weight for a test's data.
    settings = {"full_page_writes": "off"}
    with EmbeddedPostgres(server_folder / "postgres", settings=settings) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    """Return the name of a database with the newest schema that nobody is connected to."""
    create_database(postgres_server.superuser_url, TEMPLATE_DATABASE)
    migrate(with_database(postgres_server.superuser_url, TEMPLATE_DATABASE), ROLE_PASSWORDS)
    return TEMPLATE_DATABASE


@pytest.fixture
def database(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[Database]:
    """Yield a database of the test's own, copied from the migrated one and dropped afterwards."""
    name = f"test_{next(_numbers)}"
    create_database(postgres_server.superuser_url, name, template=migrated_template)
    yield Database(superuser_url=with_database(postgres_server.superuser_url, name))
    drop_database(postgres_server.superuser_url, name)


@pytest.fixture(scope="session")
def redis_server(server_folder: Path) -> Iterator[EmbeddedRedis]:
    """Yield a running Redis."""
    with EmbeddedRedis(server_folder / "redis") as server:
        yield server


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """Return the URL of an empty Redis."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url
