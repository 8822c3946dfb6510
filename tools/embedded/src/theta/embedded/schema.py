"""Databases, migrations and role passwords on a PostgreSQL whose superuser we are."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from theta.common.errors import UnavailableError
from theta.embedded.processes import write_private

ROLES = ("theta_gateway", "theta_strategy", "theta_risk", "theta_alerts", "theta_operator")
"""The services' own roles, each with the least rights it needs; the migrations create them."""

MIGRATE_TIMEOUT_SECONDS = 120.0
CONNECT_TIMEOUT_SECONDS = 10


def with_database(url: str, database: str) -> str:
    """Return `url` pointing at another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def with_login(url: str, role: str, password: str) -> str:
    """Return `url` with another role and its password (which must be URL-safe)."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:{password}@{parts.hostname}:{parts.port}"))


@contextlib.contextmanager
def administration(superuser_url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Yield an autocommitting connection for statements that no transaction may hold."""
    plain = superuser_url.replace("postgresql+psycopg://", "postgresql://", 1)
    connection = psycopg.connect(plain, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        yield connection


def create_database(superuser_url: str, name: str, *, template: str | None = None) -> None:
    """Create the database unless it exists; with `template` as a copy of that one."""
    with administration(superuser_url) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template or "template0")
            )
            connection.execute(statement)


def drop_database(superuser_url: str, name: str) -> None:
    """Drop the database if it exists, ending the connections to it."""
    with administration(superuser_url) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def migrate(superuser_url: str, role_passwords: Mapping[str, str]) -> dict[str, Any]:
    """Bring the database to the newest schema and let each role log in with its password.

    Returns the command's report (revision before and after). Raises `UnavailableError` with the
    command's own last line when it fails. The secrets go by file, never on a command line.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("THETA_")}
    with tempfile.TemporaryDirectory(prefix="theta-migrate-") as folder:
        url_file = Path(folder) / "url"
        passwords_file = Path(folder) / "passwords"
        write_private(url_file, superuser_url)
        write_private(passwords_file, json.dumps(dict(role_passwords)))
        command = [sys.executable, "-m", "theta.common.postgres", "migrate"]
        command += ["--url-file", str(url_file), "--passwords-file", str(passwords_file)]
        try:
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                timeout=MIGRATE_TIMEOUT_SECONDS,
                env=environment,
            )
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(
                f"The database migration did not finish within {MIGRATE_TIMEOUT_SECONDS:g} s."
            ) from error
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    last = lines[-1] if lines else "no output"
    if done.returncode != 0:
        raise UnavailableError(f"The database migration failed ({done.returncode}): {last}")
    report: dict[str, Any] = json.loads(last)
    return report
