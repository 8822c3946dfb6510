"""Every ready scenario keeps its claim, as an unmodified ib_insync client sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import ib_insync
import pytest

from tests.simulator.faults.conftest import Heard, comes_back, limit, refused, stock, until
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.scenarios import scenario

pytestmark = pytest.mark.slow

Connect = Callable[..., Any]
Scene = Callable[..., ThreadedSimulator]

TESTED = {
    "assignment",
    "bad-data",
    "calm-week",
    "crash",
    "ex-dividend",
    "hundred-symbols",
    "polite",
    "reset-night",
    "ten-symbols",
}


def test_every_ready_scenario_is_tested_here() -> None:
    assert set(scenario.built_in()) == TESTED


def held(client: Any) -> dict[str, float]:
    """Position by what it is: symbol and right."""
    return {
        f"{p.contract.symbol}{p.contract.right}": p.position for p in client.positions()
    }  # fmt: skip


def account_value(client: Any, tag: str) -> float:
    values = [v for v in client.accountValues() if v.tag == tag and v.currency == "USD"]
    return float(values[0].value)


def jump(simulator: ThreadedSimulator, to: str) -> None:
    simulator.control("/clock", {"jump_to": to})


def moment(text: str) -> str:
    """An ISO time with zone from one in New York's summer."""
    return f"{text}-04:00"


def truth_at(simulator: ThreadedSimulator) -> datetime:
    return datetime.fromisoformat(simulator.control("/clock")["now"])


async def test_crash(scene: Scene, connect: Connect) -> None:
    simulator = scene("crash", seed=1)
    simulator.control("/clock", {"pause": True})
    client = await connect(simulator)
    heard = Heard(client)
    client.reqNewsBulletins(True)
    await client.reqCurrentTimeAsync()
    before = simulator.control("/quote", {"symbol": "SPY"})["bid"]
    excess, worth = (
        account_value(client, "ExcessLiquidity"),
        account_value(client, "NetLiquidation"),
    )
    assert excess > 0
    jump(simulator, moment("2026-08-14T09:31:00"))
    assert simulator.control("/quote", {"symbol": "SPY"})["bid"] < 0.96 * before
    jump(simulator, moment("2026-08-14T09:50:00"))
    await until(client.newsBulletins)
    assert any(text.startswith("halt") for text in simulator.control("/faults")["armed"])
    order = client.placeOrder(await stock(client), limit("BUY", 1, 900, "into the halt"))
    await until(lambda: order.orderStatus.permId > 0)
    assert order.orderStatus.filled == 0
    jump(simulator, moment("2026-08-14T11:06:00"))
    assert simulator.control("/quote", {"symbol": "SPY"})["bid"] < 0.90 * before
    await until(lambda: account_value(client, "ExcessLiquidity") < 0)
    assert account_value(client, "NetLiquidation") < worth - 20_000
    jump(simulator, moment("2026-08-17T09:31:00"))
    assert simulator.control("/quote", {"symbol": "SPY"})["bid"] > 0.88 * before
    await until(lambda: order.orderStatus.status in ("Filled", "Cancelled"))
    assert 1100 not in heard.codes()


async def test_assignment(scene: Scene, connect: Connect) -> None:
    simulator = scene("assignment")
    client = await connect(simulator)
    assert held(client) == {"SPYP": -1, "QQQP": -1, "IWM": 100, "IWMC": -1}
    cash = account_value(client, "TotalCashValue")
    strikes = {p.contract.symbol: p.contract.strike for p in client.positions() if p.contract.right}
    jump(simulator, "next_midnight")
    await until(lambda: held(client).get("SPY") == 100)
    again = await connect(simulator, 2)
    assert {k: v for k, v in held(again).items() if v} == {"SPY": 100}
    paid = 100 * strikes["SPY"] - 100 * strikes["IWM"]
    await until(lambda: abs(account_value(again, "TotalCashValue") - (cash - paid)) < 10)


async def test_ex_dividend(scene: Scene, connect: Connect) -> None:
    simulator = scene("ex-dividend")
    client = await connect(simulator)
    assert held(client) == {"SPY": 300, "SPYC": -2}
    cash = simulator.control("/truth")["cash"]
    strike = next(p.contract.strike for p in client.positions() if p.contract.right == "C")
    jump(simulator, "next_open")
    again = await connect(simulator, 2)
    assert {k: v for k, v in held(again).items() if v} == {"SPY": 100}
    received = simulator.control("/truth")["cash"] - cash - 200 * strike
    jump(simulator, moment("2026-10-30T16:00:00"))
    dividends = simulator.control("/truth")["cash"] - cash - 200 * strike
    assert max(received, dividends) > 100 * 1.0, "the shares left earn the dividend"


async def test_reset_night(scene: Scene, connect: Connect) -> None:
    simulator = scene("reset-night")
    simulator.control("/clock", {"pause": True})
    client = await connect(simulator)
    heard = Heard(client)
    jump(simulator, moment("2026-08-13T23:45:01"))
    await until(lambda: 1100 in heard.codes())
    await until(lambda: not client.isConnected())
    fresh = await comes_back(connect, simulator, 1)
    heard = Heard(fresh)
    jump(simulator, moment("2026-08-14T00:15:01"))
    await until(lambda: 1100 in heard.codes())
    jump(simulator, moment("2026-08-14T00:18:01"))
    await until(lambda: 1102 in heard.codes())
    jump(simulator, moment("2026-08-14T09:30:00"))
    await until(lambda: {2103, 2104, 2105, 2106} <= set(heard.codes()))
    fresh.disconnect()
    jump(simulator, moment("2026-08-16T01:00:01"))
    assert await refused(simulator)
    simulator.control("/fault", {"kind": "login"})
    simulator.control("/fault", {"kind": "heal"})
    assert (await comes_back(connect, simulator, 4)).isConnected()
    happened = [event["kind"] for event in simulator.control("/events")["happened"]]
    assert happened.count("daily_reset") == 3
    assert happened.count("login_expired") == 1


async def test_bad_data(scene: Scene, connect: Connect) -> None:
    simulator = scene("bad-data", "faults.per_hour=0.01", seed=3)
    simulator.control("/clock", {"pause": True})
    client = await connect(simulator)
    heard = Heard(client)
    names = ("SPY", "QQQ", "IWM")
    spy, qqq, iwm = [client.reqMktData(await stock(client, name)) for name in names]
    quoted = simulator.control("/quote", {"symbol": "QQQ"})["bid"]
    await until(lambda: spy.bid > 0 and abs(qqq.bid - quoted) < 1 and iwm.bid > 0)
    jump(simulator, moment("2026-08-13T10:01:30"))
    first = simulator.control("/quote", {"symbol": "SPY"})["bid"]
    jump(simulator, moment("2026-08-13T10:05:30"))
    assert simulator.control("/quote", {"symbol": "SPY"})["bid"] == first, "quotes stand still"
    jump(simulator, moment("2026-08-13T10:07:01"))
    await until(lambda: qqq.bid < 0.92 * quoted)
    jump(simulator, moment("2026-08-13T10:07:30"))
    await until(lambda: qqq.bid > 0.95 * quoted)
    jump(simulator, moment("2026-08-13T10:29:00"))
    await until(lambda: {2103, 2104, 10197} <= set(heard.codes()))
    await until(lambda: iwm.halted == 1)


async def test_hundred_symbols(scene: Scene, connect: Connect) -> None:
    simulator = scene("hundred-symbols")
    client = await connect(simulator)
    contract = ib_insync.Stock("SIM42", "SMART", "USD")
    (details,) = await client.reqContractDetailsAsync(contract)
    chains = await client.reqSecDefOptParamsAsync("SIM42", "", "STK", details.contract.conId)
    assert chains
    assert chains[0].expirations
    assert chains[0].strikes
    ticker = client.reqMktData(details.contract)
    await until(lambda: ticker.bid > 0)
    shown = {f"SIM{n:02d}" for n in range(1, 98)} | {"SPY", "QQQ", "IWM"}
    for symbol in sorted(shown)[::12]:
        assert simulator.control("/quote", {"symbol": symbol})["bid"] > 0


@pytest.mark.parametrize("name", sorted(TESTED))
def test_each_starts_on_any_day_with_everything_still_ahead(scene: Scene, name: str) -> None:
    tuesday = datetime.fromisoformat("2027-03-09T12:00:00-05:00").timestamp()
    simulator = scene(name, today=tuesday)
    simulator.control("/clock", {"pause": True})
    events = simulator.control("/events")
    assert events["happened"] == []
    assert all(tuesday < event["epoch"] < tuesday + 30 * 86_400 for event in events["ahead"])
    assert simulator.control("/quote", {"symbol": "SPY"})["bid"] > 100
    if name == "ex-dividend":
        jump(simulator, "next_open")
        (left,) = simulator.control("/truth")["positions"]
        assert (left["symbol"], left["quantity"]) == ("SPY", 100)


@pytest.mark.parametrize("name", ["calm-week", "polite", "ten-symbols"])
async def test_the_plain_ones_quote_and_trade(scene: Scene, connect: Connect, name: str) -> None:
    simulator = scene(name)
    client = await connect(simulator)
    symbol = "VOO" if name == "ten-symbols" else "IWM"
    bought = client.placeOrder(await stock(client, symbol), limit("BUY", 1, 900, "one"))
    await until(lambda: bought.orderStatus.status == "Filled")
    if name == "calm-week":
        cash = account_value(client, "TotalCashValue")
        assert cash > 300_000, "enough for a put on each"
