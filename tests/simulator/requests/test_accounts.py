"""Account values, summaries, positions, profit and loss, of one account and of linked ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ib_insync
import pytest

from tests.simulator.conftest import (
    POLITE,
    errors_of,
    filled,
    is_number,
    limit,
    option,
    quote,
    stock,
    until,
)
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.scenarios import scenario
from theta.simulator.server import Options

LINKED = """
[[account]]
id = "DU1000001"
cash_usd = 300000
positions = [{ symbol = "SPY", quantity = 100, average_cost = 700.0 }]
[[account]]
id = "DU1000002"
cash_usd = 90000
positions = [{ symbol = "QQQ", quantity = 50, average_cost = 600.0 }]
"""


@pytest.fixture
def linked() -> Iterator[ThreadedSimulator]:
    with ThreadedSimulator(Options(scenario.parse(LINKED, "linked", POLITE), seed=7)) as running:
        yield running


def tags_of(rows: Any, account: str = "DU1234567") -> dict[tuple[str, str], str]:
    return {(row.tag, row.currency): row.value for row in rows if row.account == account}


async def test_account_updates_download_every_value_and_the_portfolio(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    told = tags_of(client.accountValues())
    for tag in ("NetLiquidation", "BuyingPower", "InitMarginReq", "FullMaintMarginReq", "SMA"):
        assert float(told[(tag, "USD")]) >= 0
    assert float(told[("CashBalance", "BASE")]) == float(told[("TotalCashValue", "USD")])
    assert told[("AccountType", "")] == "INDIVIDUAL"
    assert told[("NetLiquidation-S", "USD")] == told[("NetLiquidation", "USD")]


@pytest.mark.parametrize(
    ("asked", "currencies"),
    [("$LEDGER", {"BASE"}), ("$LEDGER:USD", {"USD"}), ("$LEDGER:ALL", {"BASE", "USD"})],
)
async def test_a_ledger_summary_names_its_currencies(
    polite: ThreadedSimulator,
    raw: Callable[..., Any],
    asked: str,
    currencies: set[str],
) -> None:
    client = await raw(polite)
    client.send(62, 1, 7, "All", asked)
    await client.until(64)
    rows = client.messages(63)
    assert {row[5] for row in rows} == currencies
    assert {"CashBalance", "StockMarketValue", "ExchangeRate", "Currency"} <= {r[3] for r in rows}
    assert "NetLiquidation" not in {row[3] for row in rows}


async def test_a_summary_has_the_tags_asked_for_and_no_others(
    polite: ThreadedSimulator, raw: Callable[..., Any]
) -> None:
    client = await raw(polite)
    client.send(62, 1, 7, "All", "NetLiquidation,AccruedCash,Cushion")
    await client.until(64)
    assert {row[3] for row in client.messages(63)} == {"NetLiquidation", "AccruedCash", "Cushion"}


async def test_two_summaries_run_and_a_third_is_refused(
    polite: ThreadedSimulator, raw: Callable[..., Any]
) -> None:
    client = await raw(polite)
    for request in (7, 8, 9):
        client.send(62, 1, request, "All", "NetLiquidation")
    await until(lambda: client.errors() == [(9, 322)])
    client.send(63, 1, 8)
    client.send(62, 1, 9, "All", "NetLiquidation")
    client.send(62, 1, 7, "All", "BuyingPower")
    await until(lambda: len(client.messages(64)) == 4)
    assert client.errors() == [(9, 322)]
    client.send(62, 1, 11, "Nobody", "NetLiquidation")
    client.send(62, 1, 12, "All", "")
    await until(lambda: client.errors()[1:] == [(11, 321), (12, 321)])


async def test_a_fill_is_told_to_every_account_subscription(
    polite: ThreadedSimulator, connect: Callable[..., Any], raw: Callable[..., Any]
) -> None:
    client, watcher = await connect(polite), await raw(polite)
    watcher.send(61, 1)
    watcher.send(62, 1, 7, "All", "TotalCashValue")
    watcher.send(76, 1, 8, "DU1234567", "", 0)
    await watcher.until(74)
    await watcher.until(64)
    spy = await stock(client)
    trade = client.placeOrder(spy, limit("BUY", 10, 900.0, "b1", outsideRth=False))
    await filled(trade)
    await until(lambda: any(row[3] == "SPY" for row in watcher.messages(61)))
    await until(lambda: len(watcher.messages(63)) == 2)
    await until(lambda: [row for row in watcher.messages(73) if row[4] == "TotalCashValue"][1:])
    await until(client.portfolio)
    assert client.portfolio()[0].position == 10


@pytest.mark.slow
async def test_profit_and_loss_follow_the_price_while_subscribed(
    polite: ThreadedSimulator, connect: Callable[..., Any]
) -> None:
    client = await connect(polite)
    polite.control("/clock", {"pause": True})
    spy = await stock(client)
    await filled(client.placeOrder(spy, limit("BUY", 100, 900.0, "b1")))
    whole = client.reqPnL("DU1234567")
    one = client.reqPnLSingle("DU1234567", "", spy.conId)
    await until(lambda: one.position == 100 and is_number(whole.dailyPnL))
    before, value = whole.unrealizedPnL, one.value
    price = quote(polite, ("SPY", "", 0.0, ""))["mark"]
    polite.control("/price", {"symbol": "SPY", "price": price + 5})
    await until(lambda: whole.unrealizedPnL > before + 400)
    await until(lambda: one.value > value + 400)
    assert whole.unrealizedPnL - before == pytest.approx(500, abs=5)
    assert whole.dailyPnL == pytest.approx(one.dailyPnL, abs=0.02)
    client.cancelPnL("DU1234567")
    still = whole.unrealizedPnL
    polite.control("/price", {"symbol": "SPY", "price": price})
    await until(lambda: one.value < value + 400)
    assert whole.unrealizedPnL == still


async def test_the_daily_figure_counts_from_the_last_close(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    held = '[{symbol = "SPY", quantity = 100, average_cost = 700.0}]'
    simulator = start(*POLITE, f"account.positions={held}")
    client = await connect(simulator)
    simulator.control("/clock", {"pause": True})
    spy = await stock(client)
    one = client.reqPnLSingle("DU1234567", "", spy.conId)
    await until(lambda: one.position == 100)
    mark = quote(simulator, ("SPY", "", 0.0, ""))["mark"]
    assert one.dailyPnL == pytest.approx(100 * (mark - 772.49), abs=0.02)
    assert one.unrealizedPnL == pytest.approx(100 * (mark - 700), abs=0.02)


async def test_profit_of_nothing_held_and_cancels_of_nothing_asked_are_errors(
    polite: ThreadedSimulator, raw: Callable[..., Any]
) -> None:
    client = await raw(polite)
    client.send(94, 5, "DU1234567", "", 756733)
    client.send(93, 6)
    client.send(95, 7)
    client.send(92, 8, "NOBODY", "")
    client.send(92, 9, "DU1234567", "")
    client.send(92, 9, "DU1234567", "")
    await until(lambda: len(client.errors()) == 4)
    assert client.errors() == [(6, 10185), (7, 10186), (8, 321), (9, 102)]
    assert ["2", "5", "2150"] in [fields[:3] for fields in client.messages(4)]


async def test_linked_accounts_are_told_apart(
    linked: ThreadedSimulator, connect: Callable[..., Any], raw: Callable[..., Any]
) -> None:
    client = await connect(linked)
    assert client.managedAccounts() == ["DU1000001", "DU1000002"]
    held = {(p.account, p.contract.symbol): p.position for p in client.positions()}
    assert held == {("DU1000001", "SPY"): 100, ("DU1000002", "QQQ"): 50}
    rows = await client.accountSummaryAsync()
    assert {row.account for row in rows} >= {"DU1000001", "DU1000002"}
    assert tags_of(rows, "DU1000002")[("TotalCashValue", "USD")] == "90000.00"
    other = await raw(linked)
    other.send(6, 2, 1, "DU1000002")
    await other.until(54)
    assert {row[4] for row in other.messages(6)} == {"DU1000002"}
    assert [row[2] for row in other.messages(7)] == ["QQQ"]
    other.send(74, 1, 5, "DU1000001", "")
    await other.until(72)
    assert [row[4] for row in other.messages(71)] == ["SPY"]
    other.send(74, 1, 6, "", "")
    await until(lambda: len(other.messages(71)) == 3)
    other.send(80)
    codes = await other.until(78)
    assert codes[0] == "2"
    assert codes[2] == codes[4] != ""
    other.send(6, 2, 1, "DU1000001")
    await until(lambda: "2100" in [fields[2] for fields in other.messages(4)])


async def test_values_are_refreshed_after_a_while_without_a_trade(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    held = '[{symbol = "SPY", quantity = 100, average_cost = 700.0}]'
    simulator = start(*POLITE, f"account.positions={held}", "limits.account_refresh_seconds=0.3")
    client = await connect(simulator)

    def worth() -> float:
        return float(tags_of(client.accountValues())[("NetLiquidation", "USD")])

    before = worth()
    simulator.control("/price", {"symbol": "SPY", "price": 600.0})
    await until(lambda: worth() < before - 10_000)


async def test_an_option_can_be_exercised_and_no_stock(
    start: Callable[..., ThreadedSimulator], connect: Callable[..., Any]
) -> None:
    terms = 'symbol = "SPY", expiry = "20260918", strike = 740.0, right = "C"'
    simulator = start(
        *POLITE, f"account.positions=[{{{terms}, quantity = 2, average_cost = 4000.0}}]"
    )
    client = await connect(simulator)
    call = await option(client, ("SPY", "20260918", 740.0, "C"))
    heard = errors_of(client)
    spy = await stock(client)
    client.exerciseOptions(spy, 1, 1, "DU1234567", 0)
    await until(lambda: [code for _, code, _ in heard] == [321])
    client.exerciseOptions(call, 1, 5, "DU1234567", 0)
    await until(lambda: len(heard) == 2)
    client.exerciseOptions(call, 1, 1, "DU1234567", 0)
    simulator.control("/clock", {"jump_to": "next_midnight"})
    await until(
        lambda: (
            {p.contract.secType: p.position for p in client.positions()} == {"OPT": 1, "STK": 100}
        )
    )


def test_ib_insync_is_the_library_that_drives_these() -> None:
    assert ib_insync.__version__ == "0.9.86"
