"""The same seed and the same input give the same bytes at the same moments, whoever runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ib_insync
import pytest

from tests.simulator.conftest import POLITE
from tests.simulator.transcripts.play import CLIENTS, transcript
from tests.support.tws_socket import Encoder, TwsSocket
from theta.simulator.inprocess import ThreadedSimulator

ROOT = Path(__file__).parents[3]
MANNERS = {"rude": (), "polite": ("broker.polite=true",)}
RUN_SECONDS = 50.0


def played(seed: int, overrides: tuple[str, ...], number: int) -> str:
    """A transcript made by a process of its own, in another time zone and with other hashes."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulator.transcripts.play", str(seed), *overrides],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        env={**os.environ, "PYTHONHASHSEED": str(number), "TZ": f"Etc/GMT+{number}"},
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(3 * RUN_SECONDS)
@pytest.mark.parametrize("manners", MANNERS)
def test_the_same_seed_gives_byte_identical_transcripts(manners: str) -> None:
    overrides = MANNERS[manners]
    first, second = played(7, overrides, 1), played(7, overrides, 9)
    assert first == second
    assert "Filled" in first
    assert "Cancelled" in first
    for client in CLIENTS:
        assert sum(f" {client} " in line for line in first.splitlines()) > 40


@pytest.mark.slow
def test_another_seed_gives_another_transcript() -> None:
    assert transcript(7) != transcript(8)


@pytest.mark.slow
def test_a_transcript_does_not_depend_on_what_ran_before() -> None:
    """Caches that outlive a simulator change nothing."""
    first = transcript(9, MANNERS["polite"])
    transcript(10)
    assert transcript(9, MANNERS["polite"]) == first


def over_a_socket(start: Callable[..., ThreadedSimulator], *overrides: str) -> bytes:
    """Everything that one client reads that waits for each answer before it asks again."""
    simulator = start(*overrides, seed=5)
    simulator.control("/clock", {"pause": True})
    simulator.control("/clock", {"jump_to": "2026-08-13T17:00:00+00:00"})
    spy = ib_insync.Stock("SPY", "SMART", "USD")
    put = ib_insync.Option("SPY", "20260918", 740.0, "P", "SMART")
    encoder = Encoder()
    with TwsSocket(simulator.port, 1) as client:
        client.record()

        def ask(wanted: Callable[[list[str]], bool], request: str, *arguments: object) -> None:
            client.send_frames(encoder.taken(request, *arguments))
            client.wait_for(wanted)

        ask(lambda fields: fields[0] == "62", "reqPositions")
        ask(lambda fields: fields[0] == "52", "reqContractDetails", 1, put)
        ask(lambda fields: fields[0] == "76", "reqSecDefOptParams", 2, "SPY", "", "STK", 756733)
        sell = ib_insync.LimitOrder("SELL", 2, 0.5, tif="DAY", account="DU1234567")
        buy = ib_insync.MarketOrder("BUY", 3, tif="DAY", account="DU1234567")
        for number, contract, order in ((1, put, sell), (2, spy, buy)):
            shares = int(order.totalQuantity)
            ask(_all_charged(shares), "placeOrder", number, contract, order)
        ask(lambda fields: fields[0] == "55", "reqExecutions", 3, ib_insync.ExecutionFilter())
        return bytes(client.received)


def _all_charged(shares: int) -> Callable[[list[str]], bool]:
    """Whether every execution of an order and every commission report has come."""
    executed: list[float] = []
    reports: list[str] = []

    def heard(fields: list[str]) -> bool:
        if fields[0] == "11":
            executed.append(float(fields[19]))
        elif fields[0] == "59":
            reports.append(fields[2])
        return sum(executed) == shares and len(reports) == len(executed)

    return heard


def test_a_client_that_waits_reads_the_same_bytes_over_a_socket(
    start: Callable[..., ThreadedSimulator],
) -> None:
    """Real time and real sockets decide when, never what, while the market stands still."""
    first = over_a_socket(start, *POLITE)
    assert over_a_socket(start, *POLITE) == first
    assert first.count(b"\0Filled\0") == 4, "of each order its openOrder and its orderStatus"
