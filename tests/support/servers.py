"""Real PostgreSQL and Redis for tests: one pair for each pytest process, started on first use.

Import the fixtures by name in `tests/conftest.py`; a test that asks for none pays nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from theta.common.postgres.tables import metadata
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
TEST_DATABASE = "theta_test"
SCHEMA_FINGERPRINT = """
    select md5(string_agg(item, ',' order by item)) from (
      select relname::text from pg_class where relnamespace = 'public'::regnamespace
      union all select conname::text from pg_constraint
        where connamespace = 'public'::regnamespace
      union all select tgname::text || tgenabled::text from pg_trigger
    ) as schema_items (item)
"""
Row = tuple[Any, ...]
ROLE_PASSWORDS = {role: f"{role}-password" for role in ROLES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An empty database of the newest schema."""

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
    # A machine that stands still for a second must not fail a test: the limit itself is checked
    # where it is set, and the process tests keep it.
    with psycopg.connect(
        postgres_server.superuser_url.replace("+psycopg", ""), autocommit=True
    ) as connection:
        connection.execute(
            "alter role theta_gateway set idle_in_transaction_session_timeout = 20000"
        )
    return TEMPLATE_DATABASE


@pytest.fixture(scope="session")
def reused_database(
    postgres_server: EmbeddedPostgres, migrated_template: str
) -> tuple[str, Row | None]:
    """Return URL and schema fingerprint of the database that each test gets, emptied."""
    create_database(postgres_server.superuser_url, TEST_DATABASE, template=migrated_template)
    url = with_database(postgres_server.superuser_url, TEST_DATABASE)
    return url, fingerprint_of(url)


@pytest.fixture
def database(
    postgres_server: EmbeddedPostgres,
    migrated_template: str,
    reused_database: tuple[str, Row | None],
) -> Database:
    """Return an empty database of the newest schema; nobody else is connected to it."""
    url, fingerprint = reused_database
    if not emptied(url, fingerprint):
        drop_database(postgres_server.superuser_url, TEST_DATABASE)
        create_database(postgres_server.superuser_url, TEST_DATABASE, template=migrated_template)
    return Database(superuser_url=url)


def emptied(superuser_url: str, fingerprint: Row | None) -> bool:
    """Empty the database; False when a test changed its schema, so that it must be made anew.

    Deleting takes 20 ms where copying and dropping a database takes 450 ms.
    """
    with psycopg.connect(superuser_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        if connection.execute(SCHEMA_FINGERPRINT).fetchone() != fingerprint:
            return False
        connection.execute("set session_replication_role = replica")  # guards and keys rest
        names = sorted(set(metadata.tables) - {"order_transition"})
        connection.execute("; ".join(f"delete from {name}" for name in names))
    return True


def fingerprint_of(superuser_url: str) -> Row | None:
    """Return what identifies the schema: its relations, constraints and armed triggers."""
    with psycopg.connect(superuser_url.replace("+psycopg", "")) as connection:
        return connection.execute(SCHEMA_FINGERPRINT).fetchone()


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
