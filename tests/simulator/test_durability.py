"""What survives a restart and a kill; the command line."""

from __future__ import annotations

import contextlib
import io
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.conftest import POLITE, Process, limit, option, until
from theta.simulator.__main__ import main
from theta.simulator.inprocess import ThreadedSimulator

SETTINGS = [part for text in POLITE for part in ("--set", text)]


async def test_a_restart_keeps_orders_fills_money_and_numbering(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any], tmp_path: Path
) -> None:
    state = tmp_path / "broker.db"
    first = start(*POLITE, state=state)
    client = await connect(first)
    put = await option(client)
    filled = client.placeOrder(put, limit("SELL", 2, 0.5, "filled"))
    resting = client.placeOrder(put, limit("SELL", 1, 50.0, "resting"))
    await until(lambda: filled.orderStatus.status == "Filled" and resting.orderStatus.permId)
    first.control("/price", {"symbol": "SPY", "price": 750.0})
    first.control("/clock", {"advance_seconds": 3600, "pause": True})
    before = first.control("/truth")
    client.disconnect()
    first.__exit__(None, None, None)

    second = start(*POLITE, state=state)
    after = second.control("/truth")
    for key in ("orders", "executions", "positions", "cash", "clock"):
        assert after[key] == before[key]
    assert abs(second.control("/quote", {"symbol": "SPY"})["mark"] - 750) < 5
    client = await connect(second)
    assert client.client._reqIdSeq > resting.order.orderId
    (seen,) = client.openTrades()
    assert (seen.order.orderRef, seen.order.permId) == ("resting", resting.order.permId)
    third = client.placeOrder(put, limit("SELL", 1, 51.0, "third"))
    await until(lambda: third.orderStatus.permId > resting.order.permId)


async def test_a_kill_loses_no_accepted_order(
    spawn: Callable[..., Process], connect: Callable[..., Any], tmp_path: Path
) -> None:
    state = ["--state", str(tmp_path / "broker.db"), "--seed", "3"]
    first = spawn(*state)
    client = await connect(first.port)
    put = await option(client)
    first.control("/reset_counters", {})
    for number in range(5):
        client.placeOrder(put, limit("SELL", 1, 9.0, f"k-{number}"))
    await until(lambda: first.control("/truth")["messages"]["by_type"].get("placeOrder") == 5)
    first.kill()
    await until(lambda: not client.isConnected())
    second = spawn(*state)
    again = await connect(second.port)
    refs = sorted(trade.order.orderRef for trade in await again.reqAllOpenOrdersAsync())
    assert refs == [f"k-{number}" for number in range(5)]
    perm_ids = {trade.order.permId for trade in again.openTrades()}
    assert len(perm_ids) == 5
    again.disconnect()
    assert second.terminate() == 0
    assert "Traceback" not in first.close() + second.close()


def test_a_state_file_of_another_seed_is_refused(
    start: Callable[..., ThreadedSimulator], tmp_path: Path
) -> None:
    state = tmp_path / "broker.db"
    start(*POLITE, state=state, seed=1).__exit__(None, None, None)
    done = run("--state", str(state), "--seed", "2")
    assert done.returncode == 74
    assert_one_sentence(done.stderr, "belongs to")


SERVE = ("serve", "--port", "0", "--control-port", "0")


def refused(*arguments: str) -> tuple[int, str]:
    """Exit status and stderr of the program's own `main`, in this process: it must refuse, as
    nothing would end it."""
    with (
        pytest.MonkeyPatch.context() as patched,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        patched.setattr(sys, "argv", ["theta.simulator", *SERVE, *arguments])
        try:
            status: Any = main()
        except SystemExit as ended:
            status = ended.code
    assert isinstance(status, int)
    return status, stderr.getvalue()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "theta.simulator", *SERVE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def assert_one_sentence(text: str, part: str) -> None:
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert part in lines[0]


def test_a_busy_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("--port", port)
    assert done.returncode == 69
    assert_one_sentence(done.stderr, port)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[broker]\npolit = true\n", "nearest known key is broker.polite"),
        ("[brokr]\n", "nearest known key is broker"),
        ("[account]\ncash_usd = 'much'\n", "account.cash_usd must be a number"),
        ("[market]\nsymbols = { ABC = 'XYZ' }\n", "market.symbols.ABC must be"),
        ("[clock]\nstart = '2026-08-13'\n", "clock.start must be"),
        ("[broker]\nack_ms = [5, 1]\n", "broker.ack_ms must be"),
        ("[account]\npositions = [{ symbol = 'SPY' }]\n", "account.positions[0]"),
        ("not toml", "not valid TOML"),
    ],
)
def test_a_wrong_scenario_is_refused_with_status_78(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    status, stderr = refused("--scenario", str(path))
    assert status == 78
    assert_one_sentence(stderr, part)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--scenario", "no-such"), 78),
        (("--set", "broker.polite=maybe"), 78),
        (("--set", "nonsense"), 78),
        (("--port", "99999"), 64),
        (("--speed", "fast"), 64),
        (("--state", "/nonexistent/folder/x.db"), 74),
        (("--port-file", "/nonexistent/folder/x.json"), 78),
    ],
)
def test_a_wrong_option_is_refused_in_one_sentence(arguments: tuple[str, ...], status: int) -> None:
    found, stderr = refused(*arguments)
    assert found == status
    assert_one_sentence(stderr, "theta.simulator")


async def test_start_positions_are_held(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    held = 'account.positions=[{symbol="SPY", quantity=100, average_cost=700}]'
    client = await connect(start(*POLITE, held))
    (position,) = client.positions()
    assert (position.contract.symbol, position.position, position.avgCost) == ("SPY", 100, 700)
