"""The broker's limits, as IBKR's, tightened, and switched off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.conftest import POLITE, options, until
from tests.simulator.requests.conftest import SPY_FIELDS
from theta.simulator.errors import ScenarioError
from theta.simulator.gateway.limits import HistoryPacing, Limits
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.wire.fields import RequestError

HISTORY = ("", "1 day", "5 D", True, "TRADES", 1, False, "")
BARS = (5, "TRADES", True, "")


async def test_too_many_messages_a_second_end_the_connection(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    client = await raw(start(*POLITE, "limits.messages_per_second=10"))
    for _ in range(60):  # more than is forgiven when the machine stood still
        client.send(49, 1)
    await until(lambda: (-1, 100) in client.errors())
    (text,) = [fields[3] for fields in client.messages(4) if fields[2] == "100"]
    assert "max=10" in text
    await until(client._task.done)


async def test_the_rate_can_be_left_unlimited(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    client = await raw(start(*POLITE, "limits.messages_per_second=0"))
    for _ in range(200):
        client.send(49, 1)
    await until(lambda: len(client.messages(49)) == 200)
    assert client.errors() == []


async def test_lines_are_counted_over_all_clients(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    simulator = start(*POLITE, "limits.market_data_lines=3")
    one, two = await raw(simulator, 178, 1), await raw(simulator, 178, 2)
    for request in (1, 2):
        one.send(1, 11, request, *SPY_FIELDS, False, "", False, False, "")
    await until(lambda: len(one.messages(58)) == 2)
    for request in (3, 4):
        two.send(1, 11, request, *SPY_FIELDS, False, "", False, False, "")
    await until(lambda: two.errors() == [(4, 101)])
    one.send(2, 2, 1)
    one.send(49, 1)
    await one.until(49)
    two.send(1, 11, 5, *SPY_FIELDS, False, "", False, False, "")
    await until(lambda: [m for m in two.messages(58) if m[1] == "5"])


async def test_identical_historical_requests_come_too_soon(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    client = await raw(start(*POLITE))
    for request in (5, 6):
        client.send(20, request, *SPY_FIELDS, False, *HISTORY)
    await until(lambda: client.errors() == [(6, 162)])
    (text,) = [fields[3] for fields in client.messages(4) if fields[2] == "162"]
    assert "pacing violation" in text
    assert (await client.until(17))[0] == "5"
    for request in (7, 8):
        client.send(50, 3, request, *SPY_FIELDS, *BARS)
    await until(lambda: client.errors()[1:] == [(8, 420)])


async def test_a_window_holds_so_many_historical_requests(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    client = await raw(start(*POLITE, "limits.history_requests=3"))
    for request in range(1, 6):
        days = f"{request} D"
        client.send(
            20, request, *SPY_FIELDS, False, "", "1 day", days, True, "TRADES", 1, False, ""
        )
    await until(lambda: client.errors() == [(4, 162), (5, 162)])


async def test_pacing_can_spare_long_bars(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    client = await raw(start(*POLITE, "limits.history_smallest_bar_seconds=60"))
    for request in (5, 6, 7):
        client.send(20, request, *SPY_FIELDS, False, *HISTORY)
    await until(lambda: len(client.messages(17)) == 3)
    assert client.errors() == []


def test_the_window_moves_on() -> None:
    pacing, limits = HistoryPacing(), Limits(history_requests=2, history_window_seconds=10.0)
    error = RequestError(162, "too soon")
    pacing.admit(limits, 0.0, "a", "x", error)
    pacing.admit(limits, 1.0, "b", "x", error)
    with pytest.raises(RequestError):
        pacing.admit(limits, 9.0, "c", "x", error)
    pacing.admit(limits, 19.5, "d", "x", error)


def test_six_requests_for_one_contract_within_two_seconds_are_too_many() -> None:
    pacing, limits = HistoryPacing(), Limits()
    error = RequestError(162, "too soon")
    for number in range(5):
        pacing.admit(limits, number * 0.3, f"r{number}", "SPY", error)
    pacing.admit(limits, 1.6, "other", "QQQ", error)
    with pytest.raises(RequestError):
        pacing.admit(limits, 1.7, "r6", "SPY", error)
    pacing.admit(limits, 30.0, "r7", "SPY", error)


async def test_a_read_only_interface_exercises_nothing(
    start: Callable[..., ThreadedSimulator], raw: Callable[..., Any]
) -> None:
    client = await raw(start(*POLITE, "broker.read_only=true"))
    put = (0, "SPY", "OPT", "20260918", 740.0, "P", "100", "SMART", "USD", "", "")
    client.send(21, 2, 5, *put, 1, 1, "", 0)
    await until(lambda: client.errors() == [(5, 321)])


def test_a_negative_limit_is_no_limit() -> None:
    with pytest.raises(ValueError, match="market_data_lines"):
        Limits(market_data_lines=-1)
    with pytest.raises(ScenarioError, match="market_data_lines"):
        options("limits.market_data_lines=-1")
