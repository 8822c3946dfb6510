"""The shared fixtures: each test gets a fresh migrated database and an empty Redis."""

from __future__ import annotations

import psycopg
import pytest
import redis

from tests.support.servers import Database
from theta.common.postgres.roles import SERVICE_ROLES
from theta.embedded.schema import ROLES


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")


@pytest.mark.parametrize("round_number", [1, 2])
def test_each_test_gets_a_database_of_its_own(database: Database, round_number: int) -> None:
    with psycopg.connect(_plain(database.superuser_url)) as connection:
        connection.execute("CREATE TABLE left_behind (round integer)")
        connection.execute("INSERT INTO left_behind VALUES (%s)", [round_number])


@pytest.mark.parametrize("role", ROLES)
def test_every_service_logs_in_with_its_own_role(database: Database, role: str) -> None:
    with psycopg.connect(_plain(database.url_for(role))) as connection:
        row = connection.execute(
            "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (role, False)


def test_the_roles_are_those_that_the_migrations_create() -> None:
    assert set(ROLES) == set(SERVICE_ROLES)


@pytest.mark.parametrize("key", ["first", "second"])
def test_each_test_gets_an_empty_redis(redis_url: str, key: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set(key, 1)
