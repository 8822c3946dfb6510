"""The loop's thread, what may raise into the session, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.integration.gateway_adapter.harness import Session, SimulatorHere
from tests.support.eventually import eventually
from theta.broker_gateway.adapters.ibkr.codes import Level
from theta.broker_gateway.adapters.ibkr.session_loop import SessionLoop
from theta.broker_gateway.ports import Evidence
from theta.common.adapters import SystemClock
from theta.common.errors import UnavailableError

Connect = Callable[..., Session]


@pytest.fixture
def loop() -> Iterator[SessionLoop]:
    running = SessionLoop(SystemClock())
    running.start()
    yield running
    running.stop()


def test_work_runs_on_the_one_thread_of_the_loop(loop: SessionLoop) -> None:
    async def name() -> str:
        return threading.current_thread().name

    assert loop.call(name(), 5) == "broker-session"
    assert loop.call_soon(lambda: threading.current_thread().name).result(5) == "broker-session"


def test_call_is_bounded_and_cancels_the_work(loop: SessionLoop) -> None:
    ended = threading.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(UnavailableError, match="within"):
        loop.call(work(), 0.05)
    assert ended.wait(5)


def test_errors_come_back_to_the_caller(loop: SessionLoop) -> None:
    async def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        loop.call(fail(), 5)
    with pytest.raises(ZeroDivisionError):
        loop.call_soon(lambda: 1 // 0).result(5)


def test_stall_of_the_loop_shows_and_passes(loop: SessionLoop) -> None:
    release = threading.Event()
    loop.call_soon(lambda: release.wait(10))
    eventually(lambda: loop.stalled_seconds() > 0.3)
    release.set()
    eventually(lambda: loop.stalled_seconds() < 0.2)


def test_stopped_loop_refuses_calls() -> None:
    loop = SessionLoop(SystemClock())
    loop.start()
    loop.stop()
    assert not loop.is_alive()

    async def never() -> None:
        raise AssertionError

    with pytest.raises(UnavailableError):
        loop.call(never(), 1)
    with pytest.raises(UnavailableError):
        loop.call_soon(lambda: None)


def test_evidence_that_cannot_be_recorded_ends_the_connection_and_pages(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    full = [True]

    def sink(evidence: Evidence) -> None:
        if full[0]:
            raise OSError("no space left on device")
        session.evidence.append(evidence)

    session.do(lambda: setattr(session.port, "_evidence", sink))
    with pytest.raises(OSError, match="no space"):
        session.do(lambda: session.link().ib.wrapper.orderBound(5, 17, 3))
    full[0] = False
    eventually(lambda: session.notes.disconnected)
    assert session.notes.levels(0) == [Level.PAGE]
    session.until_ready(2)


def test_observer_that_raises_does_not_deafen_the_session(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()

    def fail(*_: object) -> None:
        raise RuntimeError("observer")

    session.do(lambda: setattr(session.notes, "on_notice", fail))
    simulator.fault("code", code=2107)
    assert list(session.run(session.port.open_orders())) == []
    assert session.link().unreadable == 0


def test_stop_closes_the_socket(simulator: SimulatorHere, connect: Connect) -> None:
    session = connect().until_ready()
    session.run(session.port.stop())
    eventually(lambda: simulator.truth()["connected_clients"] == [])
    assert not session.state().connected


def test_gateway_that_is_not_there_is_asked_for_again(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect(port=1)
    eventually(lambda: len(session.notes.levels(502)) >= 2)
    assert set(session.notes.levels(502)) == {Level.WARN}
    assert session.state().connection_no >= 2


def test_peer_that_closes_before_accepting_is_asked_again_soon(connect: Connect) -> None:
    """The library would wait out its connect timeout each time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_each() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()

        threading.Thread(target=close_each, daemon=True).start()
        session = connect(port=int(listener.getsockname()[1]))
        eventually(lambda: session.state().connection_no >= 4, 3)
        session.stop()
        listener.shutdown(socket.SHUT_RDWR)
    assert session.notes.ready == 0
