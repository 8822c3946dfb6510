"""`python -m tests.simulator.transcripts.play SEED [OVERRIDE ...]`: print one transcript.

Three clients of different libraries' versions trade, look and talk at the same time for a minute.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import ib_insync

from tests.simulator.transcripts.virtual import Greeting, Said, play
from tests.support.tws_socket import Encoder
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options

CLIENTS = {"one": Greeting(1, 176), "two": Greeting(2, 157), "zero": Greeting(0, 178)}
ACCOUNT = "DU1234567"
SPY = ib_insync.Stock("SPY", "SMART", "USD")
QQQ = ib_insync.Stock("QQQ", "SMART", "USD")
PUT = ib_insync.Option("SPY", "20260918", 740.0, "P", "SMART")
SECONDS = 60.0
SPEED = 20.0


def script() -> list[Said]:
    """What the clients say, and when."""
    encoders = {name: Encoder(greeting.version) for name, greeting in CLIENTS.items()}
    said: list[Said] = []

    def say(at: float, client: str, request: str, *arguments: object) -> None:
        said.append(Said(at, client, encoders[client].taken(request, *arguments)))

    for number, client in enumerate(CLIENTS):
        say(0.3 + number / 100, client, "reqPositions")
        say(0.3 + number / 100, client, "reqAccountUpdates", True, ACCOUNT)
        say(0.4, client, "reqMktData", 500, SPY, "", False, False, [])
        say(0.4 + number / 50, client, "reqMktData", 501, PUT, "101", False, False, [])
        say(1.0, client, "reqContractDetails", 502, PUT)
        say(1.2, client, "reqHistoricalData", 503, SPY, "", "1 M", "1 day", "TRADES", True, 1,
            False, [])  # fmt: skip
    for client in ("one", "two"):
        say(2.0, client, "placeOrder", 1, SPY, _order("BUY", 100, 0))
        say(2.0, client, "placeOrder", 2, PUT, _order("SELL", 3, 60.0))
        say(2.1, client, "placeOrder", 3, QQQ, _order("SELL", 7, 0))
        say(2.5, client, "placeOrder", 4, PUT, _order("SELL", 2, 0.5))
        say(6.0, client, "placeOrder", 2, PUT, _order("SELL", 4, 58.0))
        say(6.1, client, "placeOrder", 5, SPY, _order("BUY", 1_000_000, 0))
        say(9.0, client, "cancelOrder", 2, "")
        say(20.0, client, "reqExecutions", 600, ib_insync.ExecutionFilter())
        say(20.0, client, "reqCompletedOrders", False)
        say(21.0, client, "reqPnL", 601, ACCOUNT, "")
    say(5.0, "zero", "reqAllOpenOrders")
    say(8.0, "zero", "reqAutoOpenOrders", True)
    say(30.0, "zero", "reqGlobalCancel")
    for number in range(70):
        say(40.0, "zero", "reqMarketRule", number)
    return said


def _order(action: str, quantity: float, price: float) -> ib_insync.Order:
    kind = "LMT" if price else "MKT"
    order = ib_insync.Order(action=action, totalQuantity=quantity, orderType=kind, tif="DAY")
    if price:
        order.lmtPrice = price
    return order


def transcript(seed: int, overrides: Sequence[str] = ()) -> list[str]:
    """Every write of the simulator while the script plays."""
    options = Options(scenario.load("calm-week", overrides), seed=seed, speed=SPEED)
    return play(options, CLIENTS, script(), seconds=SECONDS)


if __name__ == "__main__":
    print("\n".join(transcript(int(sys.argv[1]), sys.argv[2:])))
