"""The clock: speed, pause, step, jump, flat out, and what happens on the way."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.simulator.faults.conftest import arm, comes_back, limit, stock, until
from tests.support.eventually import eventually
from theta.simulator.inprocess import ControlRefusedError, ThreadedSimulator
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options, Simulator
from theta.simulator.watch import View, watch

START = datetime.fromisoformat("2026-08-13T16:13:33+00:00").timestamp()


def epoch(simulator: ThreadedSimulator) -> float:
    return float(simulator.control("/clock")["epoch"])


def test_steps_go_to_the_next_second_minute_and_event(polite: ThreadedSimulator) -> None:
    polite.control("/clock", {"pause": True})
    now = epoch(polite)
    assert polite.control("/clock", {"step": "second"})["epoch"] == now // 1 + 1
    assert polite.control("/clock", {"step": "minute"})["epoch"] == (now // 60 + 1) * 60
    polite.control("/events", {"at": "+10m", "kind": "price_gap", "percent": 1})
    stopped = polite.control("/clock", {"step": "event"})
    assert stopped["epoch"] == (now // 60 + 1) * 60 + 600
    assert polite.control("/events")["happened"][0]["kind"] == "price_gap"
    assert polite.control("/clock", {"step": "event"})["now"].startswith("2026-08-13T20:00:00")
    assert polite.control("/clock", {"step": "event"})["now"].startswith("2026-08-14T04:00:00")
    assert polite.control("/clock", {"step": "event"})["now"].startswith("2026-08-14T13:30:00")


def test_a_jump_stops_at_every_event_on_its_way(polite: ThreadedSimulator) -> None:
    polite.control("/clock", {"pause": True})
    before = polite.control("/quote", {"symbol": "SPY"})["mark"]
    for minutes, percent in ((10, -10), (20, -10)):
        at = f"+{minutes}m"
        polite.control(
            "/events", {"at": at, "kind": "jump_quotes", "percent": percent, "seconds": 60}
        )
    polite.control("/clock", {"advance_seconds": 3600})
    told = polite.control("/events")
    assert [event["kind"] for event in told["happened"]] == ["jump_quotes"] * 2
    assert told["happened"][1]["epoch"] - told["happened"][0]["epoch"] == 600
    assert told["ahead"] == []
    # Each ended on the way, too: the price is back.
    assert abs(polite.control("/quote", {"symbol": "SPY"})["mark"] / before - 1) < 0.02
    assert polite.control("/faults")["armed"] == []


@pytest.mark.slow
def test_flat_out_passes_days_in_seconds(polite: ThreadedSimulator) -> None:
    assert polite.control("/clock", {"speed": "max"})["flat_out"]
    eventually(lambda: epoch(polite) > START + 86_400, 20)
    told = polite.control("/clock", {"speed": 1})
    assert told["flat_out"] is False
    assert polite.control("/clock", {"pause": True})["paused"]
    assert epoch(polite) == epoch(polite)


@pytest.mark.slow
async def test_flat_out_a_client_still_trades(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    polite.control("/clock", {"speed": "max"})
    trade = client.placeOrder(await stock(client), limit("BUY", 1, 900, "fast"))
    await until(lambda: trade.orderStatus.status == "Filled", 10)


def test_early_closes_and_holidays(polite: ThreadedSimulator) -> None:
    polite.control("/clock", {"pause": True, "jump_to": "2026-09-04T21:00:00+00:00"})
    opened = polite.control("/clock", {"jump_to": "next_open"})["now"]
    assert opened.startswith("2026-09-08T13:30"), "the seventh is Labor Day"
    polite.control("/clock", {"jump_to": "2026-11-27T15:00:00+00:00"})
    closed = polite.control("/clock", {"jump_to": "next_close"})["now"]
    assert closed.startswith("2026-11-27T18:00"), "the day after Thanksgiving closes at one"


@pytest.mark.parametrize(
    "body",
    [
        {"step": "hour"},
        {"speed": "fast"},
        {"speed": -1},
        {"advance_seconds": 500 * 86_400},
        {"jump_to": "2020-01-01T00:00:00+00:00"},
        {"pause": 1},
    ],
)
def test_a_wrong_move_changes_nothing(polite: ThreadedSimulator, body: dict[str, Any]) -> None:
    polite.control("/clock", {"pause": True})
    before = polite.control("/clock")
    with pytest.raises(ControlRefusedError) as refused:
        polite.control("/clock", body)
    assert refused.value.status == 400
    assert polite.control("/clock") == before


def test_events_of_the_control_api_are_checked(polite: ThreadedSimulator) -> None:
    for body in (
        {"kind": "halt"},
        {"at": "later", "kind": "halt"},
        {"at": "+1m", "kind": "hallt"},
        {"at": "+1m", "kind": "halt", "colour": 1},
    ):
        with pytest.raises(ControlRefusedError) as refused:
            polite.control("/events", body)
        assert refused.value.status == 400
    assert polite.control("/events")["ahead"] == []


def test_a_fault_seed_draws_the_same_schedule_again(scene: Callable[..., Any]) -> None:
    def plan(fault_seed: int) -> list[dict[str, Any]]:
        ahead: list[dict[str, Any]] = scene("calm-week", fault_seed=fault_seed).control("/events")[
            "ahead"
        ]
        return ahead

    first = plan(5)
    assert len(first) > 50
    assert all(event["drawn"] for event in first)
    assert plan(5) == first
    assert plan(6) != first


def test_the_same_jump_twice_ends_once(polite: ThreadedSimulator) -> None:
    polite.control("/clock", {"pause": True})
    before = polite.control("/quote", {"symbol": "SPY"})["mark"]
    for _ in range(2):
        arm(polite, "jump_quotes", symbol="SPY", percent=-10, seconds=60)
    assert abs(polite.control("/quote", {"symbol": "SPY"})["mark"] / before - 0.9) < 0.01
    polite.control("/clock", {"advance_seconds": 61})
    assert abs(polite.control("/quote", {"symbol": "SPY"})["mark"] / before - 1) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("fault_seed", [1, 2, 3])
async def test_a_client_that_reconnects_outlives_a_day_of_drawn_faults(
    scene: Callable[..., ThreadedSimulator], connect: Callable[..., Any], fault_seed: int
) -> None:
    simulator = scene("calm-week", "faults.per_hour=8", fault_seed=fault_seed)
    simulator.control("/clock", {"pause": True})
    client = await connect(simulator)
    iwm = await stock(client, "IWM")
    planned = [event["kind"] for event in simulator.control("/events")["ahead"]]
    placed = 0
    while simulator.control("/events")["ahead"]:
        if not client.isConnected():
            client = await comes_back(connect, simulator, 1)
        if placed < 20:
            placed += 1
            with contextlib.suppress(ConnectionError):
                client.placeOrder(iwm, limit("BUY", 1, 50, f"day-{placed}"))
        simulator.control("/clock", {"step": "event"})
    happened = simulator.control("/events")["happened"]
    assert [event["kind"] for event in happened][: len(planned)] == planned
    wrong = [event for event in happened if "told" not in event and "order" not in event["error"]]
    assert wrong == []
    simulator.control("/fault", {"kind": "heal"})
    assert (await comes_back(connect, simulator, 2)).isConnected()


def test_faults_without_a_seed_of_their_own_are_drawn_from_the_runs(
    scene: Callable[..., Any],
) -> None:
    def plan(seed: int, *overrides: str) -> list[dict[str, Any]]:
        found = scene("calm-week", "faults.per_hour=2", *overrides, seed=seed)
        ahead: list[dict[str, Any]] = found.control("/events")["ahead"]
        return ahead

    assert plan(1) != plan(2)
    assert plan(1, "faults.seed=9") == plan(2, "faults.seed=9") != plan(1)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_the_live_view_tells_clock_clients_orders_fills_and_faults(
    connect: Callable[..., Any],
) -> None:
    simulator = Simulator(Options(scenario.load("polite")))
    await simulator.start()
    try:
        client = await connect(simulator, 9)
        bought = client.placeOrder(await stock(client), limit("BUY", 2, 900, "seen"))
        await until(lambda: bought.orderStatus.status == "Filled")
        resting = client.placeOrder(await stock(client), limit("BUY", 1, 1, "resting"))
        await until(lambda: resting.orderStatus.permId > 0)
        simulator.gateway.faults.swallow_acks = 2
        view = View(simulator.gateway)
        page = view.screen(200, 60)
        for part in (
            "2026-08-13", "open", "DU1234567", "version 176", "1 Submitted", "BUY 1/1 SPY LMT 1",
            "BOT 2 SPY", "+2 SPY  DU1234567", "swallow_next_ack 2", "messages/s",
        ):  # fmt: skip
            assert part in page, f"{part} is not shown"
        assert max(len(line) for line in view.screen(60, 12).splitlines()) <= 60 + len(
            "\x1b[1m\x1b[0m"
        )
        assert len(view.screen(60, 12).splitlines()) < 12
        line = view.line()
        assert "clients 9" in line
        assert "fills 1" in line
        assert "\n" not in line
        client.disconnect()
    finally:
        await simulator.stop()


@pytest.mark.parametrize("terminal", [True, False])
async def test_the_view_leaves_the_terminal_as_it_was(terminal: bool) -> None:
    import asyncio

    simulator = Simulator(Options(scenario.load("polite")))
    await simulator.start()
    out = Terminal() if terminal else io.StringIO()
    try:
        showing = asyncio.create_task(watch(simulator.gateway, out))
        await until(lambda: "New York" in out.getvalue())
        showing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await showing
    finally:
        await simulator.stop()
    assert ("\x1b[?1049h" in out.getvalue()) == terminal
    assert out.getvalue().endswith("\x1b[?1049l") == terminal


def test_what_a_fault_changed_for_a_while_does_not_stay(
    start: Callable[..., ThreadedSimulator], tmp_path: Any
) -> None:
    state = tmp_path / "broker.db"
    first = start("broker.polite=true", state=state)
    first.control("/clock", {"pause": True})
    before = first.control("/quote", {"symbol": "SPY"})["mark"]
    arm(first, "jump_quotes", symbol="SPY", percent=-20)
    first.__exit__(None, None, None)
    second = start("broker.polite=true", state=state)
    assert abs(second.control("/quote", {"symbol": "SPY"})["mark"] / before - 1) < 0.01
