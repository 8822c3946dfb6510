"""Budgets of the simulator alone, each measured on a process of its own through its TWS port.

- load: a start of 1,000 symbols with 200 option contracts each, until a client has been told the
  expiries and strikes of every symbol; the resident memory then, after one quote of each symbol.
- ticks: price, size and computation ticks per second that reach one client with 2,000 lines on a
  fast market; the client only counts them.
- orders: market orders sent without waiting, until all have been told as filled.
- idle: processor time of a simulator with one synchronised client that asks for nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import ib_insync
import psutil

from benchmarks.stage import median, wait_for
from tests.support.tws_socket import Encoder, TwsSocket
from theta.common.errors import UnavailableError

SYMBOLS, EXPIRIES, STRIKES, COUNTED = 1_000, 5, 20, 10
BATCH = 50
"""Requests in flight at once; more answers than a client reads would end its connection."""
START_SECONDS_MAX = 120.0
TICK_SYMBOLS, TICK_LINES, TICK_SECONDS, TICK_SPEED = 20, 2_000, 8.0, 30
ORDERS, ORDER_ROUNDS, ORDERS_SECONDS_MAX = 2_000, 3, 120.0
IDLE_SETTLE_SECONDS, IDLE_SECONDS = 3.0, 15.0
TICKS = frozenset({b"1", b"2", b"21", b"45", b"46"})
"""tickPrice, tickSize, tickOptionComputation, tickGeneric, tickString."""

UNLIMITED = """
[limits]
messages_per_second = 0
market_data_lines = 0
"""
POLITE = "[broker]\npolite = true\nack_ms = [0, 1]\ntick_ms = [0, 1]\n"
ENCODER = Encoder(176)


@dataclass(frozen=True, slots=True)
class Served:
    """A running simulator. `began` is the monotonic time of its start."""

    port: int
    process: psutil.Process
    began: float


@contextmanager
def served(folder: Path, name: str, scenario: str, *arguments: str) -> Iterator[Served]:
    """Yield a simulator with this scenario; `UnavailableError` when it does not start."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "scenario.toml").write_text(scenario)
    ports = place / "ports.json"
    command = [sys.executable, "-m", "theta.simulator", "serve", "--port", "0"]
    command += ["--control-port", "0", "--port-file", str(ports)]
    command += ["--scenario", str(place / "scenario.toml"), *arguments]
    began = time.monotonic()
    with (place / "errors.log").open("w") as errors:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
    try:
        wait_for(lambda: ports.exists() or child.poll() is not None, START_SECONDS_MAX)
        if child.poll() is not None:
            said = (place / "errors.log").read_text().strip()
            raise UnavailableError(f"the simulator ended at its start: {said}")
        port = int(json.loads(ports.read_text())["port"])
        yield Served(port, psutil.Process(child.pid), began)
    except OSError as error:
        raise UnavailableError(f"the simulator stopped answering: {error}") from error
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def synthetic(count: int) -> str:
    """Return a scenario of `count` symbols with `EXPIRIES` × `STRIKES` × 2 contracts and more."""
    return (
        '[account]\ncash_usd = 1e9\n[[market.source]]\nkind = "synthetic"\nsymbol = "S"\n'
        f"count = {count}\nweeks = 2\nmonths = {EXPIRIES - 2}\nstrikes = {STRIKES // 2}\n"
    )


def names(count: int) -> list[str]:
    width = len(str(count))
    return [f"S{number:0{width}d}" for number in range(1, count + 1)]


# -- load ------------------------------------------------------------------------------------------


def load(folder: Path) -> dict[str, float]:
    """Start with every symbol; count what is listed; quote an option of each symbol once."""
    scenario = synthetic(SYMBOLS) + UNLIMITED + POLITE
    listed = names(SYMBOLS)
    with (
        served(folder, "load", scenario) as server,
        TwsSocket(server.port, 1, timeout_seconds=60) as client,
    ):
        chains = _chains(client, listed)
        seconds = time.monotonic() - server.began
        for symbol in listed[:: SYMBOLS // COUNTED]:
            contracts = len(_contracts(client, symbol))
            if contracts < EXPIRIES * STRIKES * 2:
                raise UnavailableError(f"{symbol} lists only {contracts} contracts")
        _quote_each(client, chains)
        rss = server.process.memory_info().rss
    return {
        "simulator_load_seconds": round(seconds, 2),
        "simulator_load_rss_mb": round(rss / 1024**2, 1),
    }


@dataclass(frozen=True, slots=True)
class Chain:
    expiries: list[str]
    strikes: list[float]


def _chains(client: TwsSocket, listed: list[str]) -> dict[str, Chain]:
    """Ask for every symbol's contract and its option parameters."""
    numbers = dict(enumerate(listed))
    stocks = (
        ENCODER.taken("reqContractDetails", number, ib_insync.Stock(symbol, "SMART", "USD"))
        for number, symbol in numbers.items()
    )
    ids: dict[int, int] = {}
    for fields in _answers(client, stocks, b"10", b"52"):
        ids[int(fields[1])] = _con_id(fields)
    asked = (
        ENCODER.taken("reqSecDefOptParams", number, symbol, "", "STK", ids[number])
        for number, symbol in numbers.items()
    )
    found: dict[str, Chain] = {}
    for fields in _answers(client, asked, b"75", b"76"):
        symbol = numbers[int(fields[1])]
        if symbol in found:
            continue
        count = int(fields[6])
        expiries, strikes = fields[7 : 7 + count], fields[8 + count :]
        found[symbol] = Chain(expiries, [float(strike) for strike in strikes if strike])
    return found


def _con_id(fields: list[str]) -> int:
    """The contract id of contractDetails: after the symbol's terms, which a stock leaves empty."""
    return int(fields[12])


def _answers(
    client: TwsSocket, frames: Iterator[bytes], wanted: bytes, end: bytes
) -> Iterator[list[str]]:
    """Send requests some at a time; yield each message of kind `wanted` until all have ended."""
    while batch := list(islice(frames, BATCH)):
        client.send_frames(b"".join(batch))
        ended = 0
        while ended < len(batch):
            for body in client.arrived():
                kind = body.split(b"\0", 1)[0]
                if kind == wanted:
                    yield body.decode().split("\0")[:-1]
                elif kind == end:
                    ended += 1
                elif kind == b"4":
                    _refuse_errors(body)


def _refuse_errors(body: bytes) -> None:
    fields = body.decode().split("\0")
    if int(fields[2]) >= 0:
        raise UnavailableError(f"the simulator answered {fields[3]}: {fields[4]}")


def _quote_each(client: TwsSocket, chains: dict[str, Chain]) -> None:
    """One snapshot of an option of every symbol, so that nothing is left to be made later."""
    details = (
        ENCODER.taken("reqContractDetails", number, _puts(symbol, chain.expiries[0]))
        for number, (symbol, chain) in enumerate(chains.items())
    )
    listed: defaultdict[int, list[int]] = defaultdict(list)
    for fields in _answers(client, details, b"10", b"52"):
        listed[int(fields[1])].append(_con_id(fields))
    frames = (
        ENCODER.taken("reqMktData", number, _by_id(ids[len(ids) // 2]), "", 1, 0, [])
        for number, ids in listed.items()
    )
    for _ in _answers(client, frames, b"", b"57"):
        pass


def _puts(symbol: str, expiry: str) -> ib_insync.Contract:
    return ib_insync.Contract(
        secType="OPT", symbol=symbol, lastTradeDateOrContractMonth=expiry, right="P",
        exchange="SMART", currency="USD",
    )  # fmt: skip


def _by_id(con_id: int) -> ib_insync.Contract:
    return ib_insync.Contract(conId=con_id, exchange="SMART")


def _contracts(client: TwsSocket, symbol: str) -> list[int]:
    """The contract ids of every option of a symbol."""
    asked = ib_insync.Contract(secType="OPT", symbol=symbol, exchange="SMART", currency="USD")
    frames = iter([ENCODER.taken("reqContractDetails", 0, asked)])
    return [_con_id(fields) for fields in _answers(client, frames, b"10", b"52")]


# -- ticks -----------------------------------------------------------------------------------------


def ticks(folder: Path) -> dict[str, float]:
    """Subscribe to `TICK_LINES` options and count what comes in `TICK_SECONDS`."""
    scenario = synthetic(TICK_SYMBOLS) + UNLIMITED + POLITE
    with (
        served(folder, "ticks", scenario, "--speed", str(TICK_SPEED)) as server,
        TwsSocket(server.port, 1, timeout_seconds=60) as client,
    ):
        each = TICK_LINES // TICK_SYMBOLS
        lines = [c for symbol in names(TICK_SYMBOLS) for c in _contracts(client, symbol)[:each]]
        frames = b"".join(
            ENCODER.taken(
                "reqMktData", number, _by_id(con_id), "", 0, 0, [],
            )
            for number, con_id in enumerate(lines)
        )  # fmt: skip
        sender = threading.Thread(target=lambda: client.send_frames(frames))
        sender.start()
        started: set[bytes] = set()
        while len(started) < TICK_LINES:
            for body in client.arrived():
                fields = body.split(b"\0", 3)
                if fields[0] == b"4":
                    _refuse_errors(body)
                elif fields[0] == b"1":
                    started.add(fields[2])
        sender.join()
        count, seconds = _count_ticks(client)
    return {"simulator_ticks_per_second": round(count / seconds)}


def _count_ticks(client: TwsSocket) -> tuple[int, float]:
    client.arrived()
    count, began = 0, time.perf_counter()
    while (seconds := time.perf_counter() - began) < TICK_SECONDS:
        count += sum(body.split(b"\0", 1)[0] in TICKS for body in client.arrived())
    return count, seconds


# -- orders ----------------------------------------------------------------------------------------


def orders(folder: Path) -> dict[str, float]:
    """Send `ORDERS` market orders at once, `ORDER_ROUNDS` times; the median rate counts."""
    scenario = "[account]\ncash_usd = 1e9\n" + UNLIMITED + POLITE
    with (
        served(folder, "orders", scenario) as server,
        TwsSocket(server.port, 1, timeout_seconds=60) as client,
    ):
        rates = [_round(client, 1 + number * ORDERS) for number in range(ORDER_ROUNDS)]
    return {"simulator_orders_per_second": round(median(rates))}


def _round(client: TwsSocket, first: int) -> float:
    """Return orders per second from the first byte sent to the last `Filled` heard."""
    stock = ib_insync.Stock("SPY", "SMART", "USD")
    frames = [
        ENCODER.taken("placeOrder", number, stock, _market_order(number))
        for number in range(first, first + ORDERS)
    ]
    began = time.perf_counter()
    sender = threading.Thread(target=lambda: client.send_frames(b"".join(frames)))
    sender.start()
    filled: set[bytes] = set()
    while len(filled) < ORDERS:
        if time.perf_counter() - began > ORDERS_SECONDS_MAX:
            raise UnavailableError(f"only {len(filled)} of {ORDERS} orders were filled")
        for body in client.arrived():
            fields = body.split(b"\0", 4)
            if fields[0] == b"3" and fields[2] == b"Filled":
                filled.add(fields[1])
            elif fields[0] == b"4":
                _refuse_errors(body)
    seconds = time.perf_counter() - began
    sender.join()
    return ORDERS / seconds


def _market_order(number: int) -> ib_insync.Order:
    side = "BUY" if number % 2 else "SELL"
    return ib_insync.MarketOrder(side, 1, tif="DAY", account="DU1234567")


# -- idle ------------------------------------------------------------------------------------------


def idle(folder: Path) -> dict[str, float]:
    """The default scenario, with a client that has its account and then stays silent."""
    with (
        served(folder, "idle", "") as server,
        TwsSocket(server.port, 1, timeout_seconds=60) as client,
    ):
        client.send_frames(ENCODER.taken("reqAccountUpdates", 1, "DU1234567"))
        client.send_frames(ENCODER.taken("reqPositions"))
        client.wait_for(lambda fields: fields[0] == "54")
        time.sleep(IDLE_SETTLE_SECONDS)
        before, began = server.process.cpu_times(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        after, seconds = server.process.cpu_times(), time.monotonic() - began
    used = after.user + after.system - before.user - before.system
    return {"simulator_idle_cpu_percent": round(100 * used / seconds, 2)}
