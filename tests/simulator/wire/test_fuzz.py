"""No input harms the simulator or another client, and no request is met with silence."""

from __future__ import annotations

import asyncio
import gc
import os
from time import perf_counter
from typing import Any

import psutil
import pytest

from tests.simulator.wire.fakes import Sink, opened, running_gateway, started, turn
from tests.simulator.wire.junk import VERSIONS, Junk, calls
from tests.simulator.wire.libraries import ASYNC
from tests.support.eventually import NeverHappenedError, eventually_async
from theta.simulator.gateway.gateway import Gateway
from theta.simulator.gateway.session import Session
from theta.simulator.wire.codes import REQUEST_NAMES
from theta.simulator.wire.framing import encode_fields

SLOWEST_CASE_SECONDS = 5.0
BYSTANDER = 1


async def play(gateway: Gateway, junk: Junk, number: int) -> None:
    _, pieces = junk.case(number)
    session, sink = opened(gateway)
    began = perf_counter()
    for piece in pieces:
        session.data_received(piece)
    await turn()
    session.connection_lost(None)
    assert perf_counter() - began < SLOWEST_CASE_SECONDS
    sink.cut = True


async def attack(seed: int, first: int, count: int) -> int:
    """Plays ``count`` cases beside a bystander; returns by how many bytes the process grew after
    the first fifth."""
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, about: raised.append(about))
    junk = Junk(seed)
    process = psutil.Process(os.getpid())
    settled = 0
    async with running_gateway() as gateway:
        session, sink = started(gateway, BYSTANDER)
        await turn()
        sink.written.clear()
        for number in range(first, first + count):
            try:
                await play(gateway, junk, number)
            except Exception as error:
                raise AssertionError(f"case {number} of seed {seed}: {error!r}") from error
            if raised:
                raise AssertionError(f"case {number} of seed {seed}: {raised}")
            if number - first == count // 5:
                gc.collect()
                settled = process.memory_info().rss
        assert (sink.cut, bytes(sink.written)) == (False, b"")
        session.data_received(encode_fields([49, 1]))
        await turn()
        assert sink.messages()[0][0] == "49"
        assert list(gateway.sessions) == [BYSTANDER]
        assert len(gateway.messages_by_client) < 20
        gc.collect()
        return process.memory_info().rss - settled


async def test_two_hundred_cases_of_junk_harm_nobody() -> None:
    await attack(seed=3, first=0, count=200)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_a_hundred_thousand_cases_of_junk_harm_nobody(seed: int) -> None:
    grown = await attack(seed, first=0, count=25_000)
    assert grown < 64 << 20


SILENT = frozenset(
    {
        "setServerLogLevel", "reqAutoOpenOrders", "reqNewsBulletins", "reqMarketDataType",
        "reqGlobalCancel", "updateDisplayGroup", "reqRealTimeBars", "reqTickByTickData",
    }
)  # fmt: skip
"""Requests that TWS answers only when there is something to tell."""


async def answered(session: Session, sink: Sink, request: list[object]) -> None:
    """Send ``request`` and wait for anything to come back."""
    await turn()
    sink.written.clear()
    session.data_received(encode_fields(request))
    try:
        await eventually_async(lambda: sink.written)
    except NeverHappenedError:
        pytest.fail(f"no answer to {request}")
    session.connection_lost(None)


@pytest.mark.parametrize(
    "version",
    [157, 178, *(pytest.param(version, marks=pytest.mark.slow) for version in VERSIONS[1:-1])],
)
async def test_no_request_is_met_with_silence(version: int) -> None:
    async with running_gateway() as gateway:
        for name, arguments in calls():
            ends = name.startswith(("cancel", "unsubscribe")) or arguments[:1] == (False,)
            if not ends and name not in SILENT:
                session, sink = started(gateway, 0, version)
                request: list[object] = list(ASYNC.encode(version, name, *arguments))
                await answered(session, sink, request)


async def test_an_empty_request_of_any_number_is_answered() -> None:
    async with running_gateway() as gateway:
        for number, name in REQUEST_NAMES.items():
            if not name.startswith(("cancel", "unsubscribe")) and name not in SILENT:
                session, sink = started(gateway, 5)
                await answered(session, sink, [number])


async def test_an_unknown_request_is_answered_and_the_connection_lives() -> None:
    async with running_gateway() as gateway:
        session, sink = started(gateway, 5)
        for number in (0, -1, 60, 9_999, "x", ""):
            await turn()
            sink.written.clear()
            session.data_received(encode_fields([number, 1, 2]))
            await turn()
            assert sink.messages()[0][3] == "505"
        assert not sink.cut
