"""Clients are held to their own pace, not to that of the machine the simulator runs on."""

from __future__ import annotations

import pytest

from tests.simulator.transcripts.virtual import VirtualLoop
from tests.simulator.wire.fakes import running_gateway, started
from theta.simulator.wire.framing import encode_fields

SECONDS = 4.0


def cut_off(rate: float, stalls: list[tuple[float, float]]) -> bool:
    """Whether a client that sends ``rate`` messages a second is refused.

    ``stalls`` are moments and lengths in seconds at which the simulator's loop stands still.
    """
    loop = VirtualLoop()

    async def play() -> bool:
        async with running_gateway("broker.pacing=true") as gateway:
            session, sink = started(gateway, 5)
            begun = loop.time()
            for moment, length in stalls:
                loop.call_at(begun + moment, loop.stall, length)
            for number in range(int(rate * SECONDS)):
                loop.call_at(begun + number / rate, session.data_received, encode_fields([49, 1]))
            done = loop.create_future()
            loop.call_at(begun + SECONDS + 1, done.set_result, None)
            await done
            return sink.cut

    try:
        return loop.run_until_complete(play())
    finally:
        loop.close()


@pytest.mark.parametrize("stall", [0.06, 0.15, 0.4, 0.9, 1.5])
def test_a_standstill_of_the_loop_is_not_the_client_s_fault(stall: float) -> None:
    assert not cut_off(45, [(1.013, stall)])


def test_many_short_standstills_are_not_the_client_s_fault() -> None:
    assert not cut_off(45, [(at / 10, 0.07) for at in range(1, 30)])


def test_a_client_at_the_limit_is_served() -> None:
    assert not cut_off(45, [])


@pytest.mark.parametrize("stalls", [[], [(1.0, 0.1)]])
def test_a_client_beyond_the_limit_is_refused(stalls: list[tuple[float, float]]) -> None:
    assert cut_off(60, stalls)
