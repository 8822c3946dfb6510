"""Engines and transactions: bounded waits, and a commit whose answer was lost is never taken for a
failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import IdleInTransactionSessionTimeout, TransactionTimeout
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from theta.common.errors import (
    ConfigError,
    OutcomeUnknownError,
    RefusedForNowError,
    UnavailableError,
)

__all__ = [
    "CommitUnknownError",
    "Engine",
    "make_engine",
    "refuse_unsafe_database",
    "transaction",
]

CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 5_000

# SQLSTATEs of what psycopg calls operational although the server lives and answered. First those
# that another try may overcome: a deadlock, a resource that is short, a time limit, an I/O error.
_FOR_NOW = ("40001", "40P01", "53", "55006", "55P03", "57014", "58")
# Then those that mean that the connection or the server goes away, or that nobody knows.
_GONE = ("08", "40003", "57P")


def make_engine(url: str, *, application_name: str, pool_size: int = 5) -> Engine:
    """Return an engine on psycopg 3 with every wait bounded. No connection is made yet.

    Raises ConfigError when `url` is not a PostgreSQL URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            "THETA_DATABASE_URL is not a database URL;"
            " write postgresql://user:password@host:port/database"
        ) from error
    if parsed.get_backend_name() != "postgresql":
        raise ConfigError(f"THETA_DATABASE_URL names {parsed.get_backend_name()}, not postgresql")
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=2,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": application_name,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"
            f" -c lock_timeout={LOCK_TIMEOUT_MS} -c timezone=UTC",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
        },
    )


class CommitUnknownError(OutcomeUnknownError):
    """The connection broke while COMMIT was under way: re-read before deciding anything."""


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Run the block in one transaction; commit at its end.

    Raises UnavailableError when the database was lost before COMMIT was sent (nothing happened),
    its child RefusedForNowError when the database answered that it cannot do it now, and
    CommitUnknownError when it was lost while COMMIT was under way (either may be true). A
    statement refused for its content raises SQLAlchemy's own DBAPIError.
    """
    try:
        connection = engine.connect()
    except (OperationalError, InterfaceError) as error:
        raise UnavailableError(f"the database does not answer: {_brief(error)}") from error
    with connection:
        try:
            yield connection
        except DBAPIError as error:
            _discard(connection)
            if _is_loss(error):
                raise UnavailableError(f"the database was lost: {_brief(error)}") from error
            _raise_if_for_now(error)
            raise
        except BaseException:
            _discard(connection)
            raise
        try:
            connection.commit()
        except DBAPIError as error:
            _discard(connection)
            if _is_loss(error):
                raise CommitUnknownError(
                    f"the answer to COMMIT was lost: {_brief(error)}"
                ) from error
            _raise_if_for_now(error)
            raise


def _is_loss(error: DBAPIError) -> bool:
    """Tell whether the server or the connection went away, rather than refused the statement.

    An operational error without SQLSTATE comes from the client: the connection broke. With one the
    server answered, and only some of its answers mean that it goes away: an index row that is too
    large is operational too, and would be tried for ever. A transaction that idled too long is
    ended by the server (order-protocol §4) with an error of the class "internal": it counts as a
    loss, since nothing of it happened.
    """
    if error.connection_invalidated:
        return True
    if isinstance(error, (OperationalError, InterfaceError)):
        state = _sqlstate(error)
        return state is None or state.startswith(_GONE)
    return isinstance(error.orig, (IdleInTransactionSessionTimeout, TransactionTimeout))


def _raise_if_for_now(error: DBAPIError) -> None:
    state = _sqlstate(error)
    if state is not None and state.startswith(_FOR_NOW):
        raise RefusedForNowError(f"the database cannot do it now: {_brief(error)}") from error


def _sqlstate(error: DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def _discard(connection: Connection) -> None:
    try:
        connection.rollback()
    except DBAPIError:
        connection.invalidate()


def _brief(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines() or ["no detail"]
    return lines[0][:200]


def refuse_unsafe_database(connection: Connection) -> None:
    """Refuse a database that could lose a commit or whose journal this role could rewrite.

    Raises ConfigError naming the setting: fsync, synchronous_commit or full_page_writes off, a
    superuser, or a role that owns the journal or may UPDATE, DELETE or TRUNCATE it (order-protocol
    §8).
    """
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        value = connection.execute(text(f"show {name}")).scalar_one()
        if value in {"off", "local"} and not (name == "synchronous_commit" and value == "local"):
            raise ConfigError(
                f"PostgreSQL runs with {name} = {value}, so a committed order could be lost;"
                f" set {name} = on"
            )
    risky = connection.execute(
        text(
            "select current_user, rolsuper,"
            " has_table_privilege('journal', 'UPDATE') or has_table_privilege('journal', 'DELETE')"
            " or has_table_privilege('journal', 'TRUNCATE')"
            " or has_table_privilege('journal', 'INSERT')"
            " from pg_roles where rolname = current_user"
        )
    ).one()
    if risky[1] or risky[2]:
        raise ConfigError(
            f"the database role {risky[0]} may rewrite the journal;"
            " connect with the service's own role (theta_gateway, theta_strategy, ...)"
        )
