"""Bring a database to the newest schema, under a lock, and apply the roles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from theta.common.postgres.engine import make_engine
from theta.common.postgres.roles import apply_roles

_LOCK_KEY = 7_411_001
"""Advisory lock of the migration; any constant that nothing else uses."""


def migrate(owner_url: str, role_passwords: Mapping[str, str]) -> tuple[str | None, str]:
    """Upgrade to the newest revision and apply roles. Safe to run twice or from two places.

    Returns (revision before, revision after); `None` before the first migration.
    Raises UnavailableError when the database does not answer.
    """
    engine = make_engine(owner_url, application_name="theta-migrate", pool_size=1)
    try:
        with engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
            connection.commit()
            try:
                before = current_revision(connection)
                connection.commit()
                configuration = _configuration()
                configuration.attributes["connection"] = connection
                command.upgrade(configuration, "head")
                connection.commit()
                with connection.begin():
                    apply_roles(connection, role_passwords)
                after = current_revision(connection)
                connection.commit()
            finally:
                connection.rollback()
                connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK_KEY})
                connection.commit()
    finally:
        engine.dispose()
    assert after is not None
    return before, after


def current_revision(connection: Connection) -> str | None:
    """Return the schema revision of this database, `None` when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """Return the revision that this build of the program needs."""
    head = ScriptDirectory.from_config(_configuration()).get_current_head()
    assert head is not None
    return head


def _configuration() -> Config:
    configuration = Config()
    location = str(Path(__file__).parent / "migrations")
    configuration.set_main_option("script_location", location.replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return configuration
