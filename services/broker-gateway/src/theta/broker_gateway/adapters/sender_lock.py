"""The sender's advisory lock: held shared from before a claim to the socket write (§4)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from theta.common.errors import UnavailableError

_KEY = "hashtextextended('theta.sender.' || :session, 0)"


class PostgresSenderLock:
    """Session-level locks on connections of their own: one for the sender, one per halt."""

    def __init__(self, engine: Engine, *, session: str) -> None:
        self._engine = engine
        self._session = session
        self._held: Connection | None = None
        self._one = threading.Lock()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock with other senders; waits while a halt holds it, 5 s at most.

        Raises UnavailableError when the database is away or a halt keeps it.
        """
        with self._one:
            connection = self._connection()
            self._run(connection, f"select pg_advisory_lock_shared({_KEY})")
            try:
                yield
            finally:
                self._run(connection, f"select pg_advisory_unlock_shared({_KEY})", quiet=True)

    def still_held(self) -> bool:
        """Tell, without a round trip, whether the connection that holds the lock is alive.

        PostgreSQL frees the lock when its side of the connection ends, and then sends the end (and
        for a terminated session a message before it): either is readable here at once. What
        remains: a network that drops packets silently is seen by neither side until the TCP
        keepalive (11 s), and as long PostgreSQL keeps the lock, so a halt still waits its 2 s.
        """
        connection = self._held
        if connection is None or connection.closed or connection.invalidated:
            return False
        driver = connection.connection.driver_connection
        if driver is None or driver.closed or driver.broken:
            return False
        return _is_quiet(driver.fileno())

    @contextmanager
    def exclusive_within(self, seconds: float) -> Iterator[bool]:
        """Hold the lock alone, so that no send is under way; False when `seconds` pass first."""
        try:
            connection = self._open()
        except UnavailableError:
            yield False
            return
        try:
            connection.execute(text(f"set lock_timeout = {int(seconds * 1000)}"))
            held = self._try(connection)
            yield held
        finally:
            connection.invalidate()
            connection.close()

    def close(self) -> None:
        with self._one:
            if self._held is not None:
                self._held.close()
                self._held = None

    def _try(self, connection: Connection) -> bool:
        try:
            connection.execute(text(f"select pg_advisory_lock({_KEY})"), {"session": self._session})
        except OperationalError:
            return False
        return True

    def _connection(self) -> Connection:
        if self._held is None or self._held.invalidated or self._held.closed:
            self._held = self._open()
        return self._held

    def _open(self) -> Connection:
        try:
            return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        except DBAPIError as error:
            raise UnavailableError("the database does not answer: no claim is made") from error

    def _run(self, connection: Connection, statement: str, *, quiet: bool = False) -> None:
        try:
            connection.execute(text(statement), {"session": self._session})
        except DBAPIError as error:
            connection.invalidate()
            connection.close()
            self._held = None
            if not quiet:
                raise UnavailableError("the sender's lock cannot be taken now") from error


def _is_quiet(descriptor: int) -> bool:
    """Tell whether nothing waits to be read: an idle session is told nothing but its end."""
    with socket.socket(fileno=os.dup(descriptor)) as twin:
        try:
            twin.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False
