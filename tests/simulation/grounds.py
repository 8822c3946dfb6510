"""What all seeds share: a PostgreSQL with a migrated template, two Redis, a forking nursery."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.simulation.nursery import Nursery
from theta.embedded.postgres import EmbeddedPostgres
from theta.embedded.redis import EmbeddedRedis
from theta.embedded.running import Servers
from theta.embedded.schema import (
    ROLES,
    create_database,
    drop_database,
    migrate,
    with_database,
    with_login,
)

TEMPLATE = "theta_template"
REDIS = ("redis-even", "redis-odd")
PASSWORDS = {role: f"{role}-password" for role in ROLES}
SETTINGS = {"track_commit_timestamp": "on"}
"""The oracle counts a halt from its commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Running servers to draw fresh databases from. `folder` holds one folder for each seed."""

    folder: Path
    postgres: EmbeddedPostgres
    redis_urls: tuple[str, ...]
    nursery: Nursery

    def folder_of(self, seed: int) -> Path:
        """Return the folder of one seed's processes and their logs."""
        return self.folder / f"seed-{seed}"

    @contextmanager
    def fresh(self, name: str, *, redis_number: int = 0) -> Iterator[Servers]:
        """Yield an empty Redis and a new database `name`, dropped afterwards.

        Whoever works beside another needs the other Redis: one may be flushed meanwhile.
        """
        redis_url = self.redis_urls[redis_number % len(self.redis_urls)]
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        create_database(self.postgres.superuser_url, name, template=TEMPLATE)
        url = with_database(self.postgres.superuser_url, name)
        try:
            yield Servers(
                database_urls={role: with_login(url, role, PASSWORDS[role]) for role in ROLES},
                redis_url=redis_url,
                reader_url=url,
            )
        finally:
            drop_database(self.postgres.superuser_url, name)


@contextmanager
def grounds(overlay: Path | None = None) -> Iterator[Grounds]:
    """Yield running servers and a nursery (with `overlay` first on its import path)."""
    folder = Path(tempfile.mkdtemp(prefix="theta-sim-"))
    folder.chmod(0o711)  # PostgreSQL's own account must be able to pass
    with ExitStack() as stack:
        for name in ("postgres", *REDIS):
            stack.callback(shutil.rmtree, folder / name, ignore_errors=True)
        nursery = Nursery(folder / "nursery.log", overlay)
        stack.callback(nursery.close)
        postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres", settings=SETTINGS))
        redis_urls = tuple(stack.enter_context(EmbeddedRedis(folder / name)).url for name in REDIS)
        create_database(postgres.superuser_url, TEMPLATE)
        migrate(with_database(postgres.superuser_url, TEMPLATE), PASSWORDS)
        yield Grounds(folder=folder, postgres=postgres, redis_urls=redis_urls, nursery=nursery)
