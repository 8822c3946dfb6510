"""Leadership of the schedule: a lease, and a lock that shows whether its holder still lives."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from theta.common.errors import UnavailableError
from theta.common.postgres import lease
from theta.common.postgres.engine import CommitUnknownError, transaction

LEASE = "schedule"
LEASE_SECONDS = 10.0
"""How long a leader that stands still, or whose host vanished, is waited for."""

_KEY = "hashtextextended('theta.schedule.' || :epoch, 0)"
_LOCK = text(f"select pg_try_advisory_lock({_KEY})")
_UNLOCK = text(f"select pg_advisory_unlock({_KEY})")
_FIND = text(
    "select holder, epoch, expires_at > clock_timestamp() as stands from lease where name = :name"
)


class PostgresLeadership:
    """`Leadership` by the lease `schedule`. Use from one thread.

    The leader holds a session-level lock of its epoch on a connection of its own. PostgreSQL frees
    it when the leader's process ends, so a successor need not wait for the lease to run out.
    """

    def __init__(self, engine: Engine, *, holder: str) -> None:
        self._engine = engine
        self._holder = holder
        self._epoch: int | None = None
        self._session: Connection | None = None

    def hold(self) -> bool:
        try:
            if self._epoch is not None and self._renew(self._epoch):
                return True
            self._epoch = None
            self._epoch = self._acquire()
        except CommitUnknownError:
            self._give_up_session()
            return False  # the next call finds out
        except UnavailableError:
            self._give_up_session()
            raise
        return self._epoch is not None

    def release(self) -> None:
        epoch, self._epoch = self._epoch, None
        self._give_up_session()
        if epoch is None:
            return
        with transaction(self._engine) as connection:
            lease.release(connection, name=LEASE, holder=self._holder, epoch=epoch)

    def _renew(self, epoch: int) -> bool:
        if not self._session_lives():
            return False  # the lock went with it: a new epoch is needed
        with transaction(self._engine) as connection:
            renewed = lease.renew(
                connection,
                name=LEASE,
                holder=self._holder,
                epoch=epoch,
                ttl_seconds=LEASE_SECONDS,
            )
        if not renewed:
            self._give_up_session()
        return renewed

    def _acquire(self) -> int | None:
        with transaction(self._engine) as connection:
            row = connection.execute(_FIND, {"name": LEASE}).one_or_none()
            last = 0 if row is None else int(row.epoch)
            gone = row is not None and row.stands and self._try(last)
            if row is not None and row.stands and row.holder != self._holder and not gone:
                return None
            # Locked before it is ours: nobody can find the new epoch without its lock.
            if not self._try(last + 1):
                return None
            if gone and row is not None:
                lease.release(connection, name=LEASE, holder=row.holder, epoch=last)
                self._ask(_UNLOCK, last)
            epoch = lease.acquire(
                connection,
                name=LEASE,
                account="*",
                holder=self._holder,
                ttl_seconds=LEASE_SECONDS,
            )
        if epoch != last + 1:
            self._give_up_session()
            return None
        return epoch

    def _try(self, epoch: int) -> bool:
        return self._ask(_LOCK, epoch)

    def _ask(self, statement: TextClause, epoch: int) -> bool:
        try:
            if self._session is None:
                session = self._engine.connect()
                self._session = session.execution_options(isolation_level="AUTOCOMMIT")
            return bool(self._session.execute(statement, {"epoch": str(epoch)}).scalar_one())
        except DBAPIError as error:
            raise UnavailableError("the database does not answer: nobody leads") from error

    def _session_lives(self) -> bool:
        if self._session is None:
            return False
        try:
            self._session.execute(text("select 1"))
        except DBAPIError:
            self._give_up_session()
            return False
        return True

    def _give_up_session(self) -> None:
        """End the connection itself: back in the pool it would keep its locks."""
        session, self._session = self._session, None
        if session is not None:
            session.invalidate()
            session.close()
