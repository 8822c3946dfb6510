"""A simulator per module; sessions and proxies per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.gateway_adapter.harness import Proxy, Session, Simulator, stopped_at_end


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    running = Simulator(tmp_path)
    with stopped_at_end([running]):
        yield running


@pytest.fixture
def connect(simulator: Simulator) -> Iterator[Callable[..., Session]]:
    """Return a function that connects a session; all are stopped at the end."""
    sessions: list[Session] = []

    def connect(port: int | None = None, **options: object) -> Session:
        sessions.append(Session(port or simulator.port, **options))  # type: ignore[arg-type]  # passed through
        return sessions[-1]

    with stopped_at_end(sessions):
        yield connect


@pytest.fixture
def proxy(simulator: Simulator) -> Iterator[Proxy]:
    between = Proxy(simulator.port)
    with stopped_at_end([between]):
        yield between
