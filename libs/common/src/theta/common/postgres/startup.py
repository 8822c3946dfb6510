"""Opening the database as a service does: answered, safe, of the right schema; then beating."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from theta.common.errors import ConfigError, ThetaError, UnavailableError
from theta.common.postgres.engine import make_engine, refuse_unsafe_database, transaction
from theta.common.postgres.heartbeat import beat
from theta.common.telemetry.logs import get_logger

BEAT_INTERVAL_SECONDS = 5.0

_log = get_logger(__name__)


def open_database(url: str, *, application_name: str, pool_size: int = 5) -> Engine:
    """Return an engine on a database that answers, keeps its commits, and has our schema.

    Raises UnavailableError when it does not answer, and ConfigError for a bad URL, a setting that
    could lose a commit, a role that may rewrite the journal, or another schema revision.
    """
    engine = make_engine(url, application_name=application_name, pool_size=pool_size)
    try:
        with transaction(engine) as connection:
            found = _revision(engine)
            _refuse_other_revision(found)
            refuse_unsafe_database(connection)
    except UnavailableError as error:
        engine.dispose()
        message = f"THETA_DATABASE_URL: {error}: start PostgreSQL or mend the address."
        raise UnavailableError(message) from None
    except BaseException:
        engine.dispose()
        raise
    return engine


def _revision(engine: Engine) -> str | None:
    try:
        with transaction(engine) as connection:
            statement = text("select version_num from alembic_version")
            return connection.execute(statement).scalar_one_or_none()
    except ProgrammingError:
        return None


def _refuse_other_revision(found: str | None) -> None:
    # Alembic is needed for this one comparison only: not held by a service that never migrates.
    from theta.common.postgres.migrate import newest_revision

    needed = newest_revision()
    if found == needed:
        return
    message = (
        f"the database schema is {found or 'missing or not readable'}, this version needs "
        f"{needed}: run `python -m theta.common.postgres migrate` with the same version."
    )
    raise ConfigError(message)


class Heartbeat:
    """Writes this instance's heartbeat from a thread of its own until stopped."""

    def __init__(self, engine: Engine, *, service: str, instance: str, account: str = "*") -> None:
        self._engine = engine
        self._service = service
        self._instance = instance
        self._account = account
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits at most 2 s for a beat that is under way."""
        self._stop.set()
        self._thread.join(timeout=2)

    def detail(self) -> Mapping[str, object]:
        """Facts for people that go along with each beat."""
        return {}

    def _run(self) -> None:
        failing = False
        while True:
            try:
                with transaction(self._engine) as connection:
                    beat(
                        connection,
                        service=self._service,
                        instance=self._instance,
                        account=self._account,
                        detail=self.detail(),
                    )
                failing = False
            except ThetaError as error:
                if not failing:
                    _log.warning("the heartbeat was not written", error=str(error))
                failing = True
            if self._stop.wait(BEAT_INTERVAL_SECONDS):
                return
