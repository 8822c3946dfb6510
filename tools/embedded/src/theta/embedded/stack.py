"""Both servers together, with the schema in place and one connection URL per service role."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from theta.common.errors import ConfigError
from theta.embedded.postgres import EmbeddedPostgres
from theta.embedded.processes import write_private
from theta.embedded.redis import EmbeddedRedis
from theta.embedded.schema import (
    ROLES,
    create_database,
    migrate,
    with_database,
    with_login,
)

DATABASE = "theta"

Progress = Callable[[str], None]
"""Called with one short line at each step that takes longer than a blink."""


def quiet(_line: str) -> None:
    """Report no progress."""


def external_setting(environment: Mapping[str, str], name: str) -> str | None:
    """Return the setting from `name` or from the file that `name`_FILE points at; `None`: unset.

    Raises `ConfigError` when that file cannot be read.
    """
    if value := environment.get(name):
        return value
    path = environment.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ConfigError(f"{name}_FILE names {path}, which cannot be read: {error}.") from error


class EmbeddedServers:
    """PostgreSQL and Redis under one data folder, ready for the services.

    Where `environment` (this process's by default) sets `THETA_DATABASE_URL` or `THETA_REDIS_URL`,
    or their `_FILE` forms, that server is somebody else's: it is neither started nor migrated, and
    every role gets that URL.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres_port: int | None = None,
        redis_port: int | None = None,
        environment: Mapping[str, str] | None = None,
        progress: Progress = quiet,
    ) -> None:
        known = os.environ if environment is None else environment
        self._data_dir = data_dir.absolute()
        self._external_database_url = external_setting(known, "THETA_DATABASE_URL")
        self._external_redis_url = external_setting(known, "THETA_REDIS_URL")
        self._progress = progress
        self._passwords: dict[str, str] = {}
        self._postgres: EmbeddedPostgres | None = None
        self._redis: EmbeddedRedis | None = None
        if self._external_database_url is None:
            self._postgres = EmbeddedPostgres(self._data_dir / "postgres", postgres_port)
        if self._external_redis_url is None:
            self._redis = EmbeddedRedis(self._data_dir / "redis", redis_port)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start what is not external, create and migrate the database, set the role passwords.

        Raises `ConfigError` or `UnavailableError`, each one sentence; nothing is left running then.
        """
        try:
            if self._redis is not None:
                self._progress("starting Redis")
                self._redis.start()
            if self._postgres is not None:
                self._progress("starting PostgreSQL")
                self._postgres.start()
                self._prepare_database(self._postgres)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop what was started; a second call does nothing."""
        if self._postgres is not None:
            self._postgres.stop()
        if self._redis is not None:
            self._redis.stop()

    @property
    def superuser_url(self) -> str | None:
        """The services' database as superuser, for migrations and proofs; `None` when external."""
        if self._postgres is None:
            return None
        return with_database(self._postgres.superuser_url, DATABASE)

    @property
    def redis_url(self) -> str:
        """URL of Redis with its password."""
        if self._redis is not None:
            return self._redis.url
        assert self._external_redis_url is not None
        return self._external_redis_url

    def database_url(self, role: str) -> str:
        """Return the database URL with the login of `role`, one of `ROLES`.

        Raises `ConfigError` for another name.
        """
        if role not in ROLES:
            raise ConfigError(f"There is no database role {role!r}: use one of {', '.join(ROLES)}.")
        if self.superuser_url is None:
            assert self._external_database_url is not None
            return self._external_database_url
        return with_login(self.superuser_url, role, self._passwords[role])

    def environment(self, role: str) -> dict[str, str]:
        """Return the environment variables by which the service with `role` finds both servers."""
        return {
            "THETA_DATABASE_URL": self.database_url(role),
            "THETA_REDIS_URL": self.redis_url,
        }

    def stopped_server(self) -> str | None:
        """Return the name of a server that ended by itself, `None` while all run."""
        for name, server in (("PostgreSQL", self._postgres), ("Redis", self._redis)):
            if server is not None and server.process_id is None:
                return name
        return None

    def _prepare_database(self, postgres: EmbeddedPostgres) -> None:
        create_database(postgres.superuser_url, DATABASE)
        self._progress("migrating the database")
        url = with_database(postgres.superuser_url, DATABASE)
        self._passwords = self._role_passwords()
        migrate(url, self._passwords)

    def _role_passwords(self) -> dict[str, str]:
        path = self._data_dir / "roles.secret"
        kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        passwords = {role: kept.get(role) or secrets.token_urlsafe(24) for role in ROLES}
        if passwords != kept:
            write_private(path, json.dumps(passwords, indent=1) + "\n")
        return passwords
