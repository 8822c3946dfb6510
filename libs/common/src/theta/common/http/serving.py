"""Runs an ASGI app with uvicorn in a thread of its own, leaving signals to the process."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvicorn

from theta.common.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from fastapi import FastAPI

START_TIMEOUT_SECONDS = 10.0
STOP_TIMEOUT_SECONDS = 5.0
_BACKLOG = 128


class _QuietServer(uvicorn.Server):
    """uvicorn re-raises the signals it catches, which would skip the process's own clean-up."""

    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._ready.set()


class UvicornThread:
    """Serves `app` on `host:port` until stopped. Port 0 takes a free one."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._host = host
        self._asked_port = port
        self._app = app
        self._socket: socket.socket | None = None
        self._server: _QuietServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use. Valid after `start`."""
        assert self._socket is not None, "start() comes first"
        number: int = self._socket.getsockname()[1]
        return number

    @property
    def alive(self) -> bool:
        """Whether the serving thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Open the port and serve; returns once requests are answered.

        Raises:
            ConfigError: the address is not this machine's, not allowed, or not an address.
            UnavailableError: the port is busy, or the app did not start within 10 s.
        """
        self._socket = self._bind()
        ready = threading.Event()
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(STOP_TIMEOUT_SECONDS),
            lifespan="auto",
        )
        self._server = _QuietServer(config, ready)
        self._thread = threading.Thread(
            target=self._serve, args=(self._server, self._socket, ready), name="http", daemon=True
        )
        self._thread.start()
        if not ready.wait(START_TIMEOUT_SECONDS) or not self._server.started:
            self.stop()
            message = f"The HTTP API on {self._host} did not start: its log says why."
            raise UnavailableError(message)

    def stop(self) -> None:
        """Finish the requests under way (5 s at most), close the port, end the thread."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=STOP_TIMEOUT_SECONDS + 2)
            self._thread = None
        if self._socket is not None:
            self._socket.close()

    @staticmethod
    def _serve(server: _QuietServer, listener: socket.socket, ready: threading.Event) -> None:
        try:
            server.run(sockets=[listener])
        finally:
            ready.set()  # a start-up that failed must not keep the starter waiting

    def _bind(self) -> socket.socket:
        where = f"{self._host}:{self._asked_port}"
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self._host, self._asked_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = socket.socket(family, kind, protocol)
        except (OSError, OverflowError) as error:
            message = f"{where} is not an address to listen on ({error}): mend THETA_HTTP_HOST."
            raise ConfigError(message) from error
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                message = (
                    f"{where} is in use by another program: stop it or change THETA_HTTP_PORT."
                )
                raise UnavailableError(message) from error
            message = (
                f"Cannot listen on {where} ({error.strerror}): "
                "mend THETA_HTTP_HOST or THETA_HTTP_PORT."
            )
            raise ConfigError(message) from error
        return listener
