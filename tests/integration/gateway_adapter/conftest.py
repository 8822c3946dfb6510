"""A simulator, sessions and proxies for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.gateway_adapter.harness import (
    Proxy,
    Session,
    SimulatorHere,
    stopped_at_end,
)


@pytest.fixture
def simulator() -> Iterator[SimulatorHere]:
    running = SimulatorHere()
    with stopped_at_end([running]):
        yield running


@pytest.fixture
def connect(simulator: SimulatorHere) -> Iterator[Callable[..., Session]]:
    """Return a function that connects a session; all are stopped at the end."""
    sessions: list[Session] = []

    def connect(port: int | None = None, **options: object) -> Session:
        sessions.append(Session(port or simulator.port, **options))  # type: ignore[arg-type]  # passed through
        return sessions[-1]

    with stopped_at_end(sessions):
        yield connect


@pytest.fixture
def proxy(simulator: SimulatorHere) -> Iterator[Proxy]:
    between = Proxy(simulator.port)
    with stopped_at_end([between]):
        yield between
