"""How each order type, strategy and duration works against the market."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.exchange.floor import Floor, limit, market
from theta.simulator.exchange.model import PRE_SUBMITTED, SUBMITTED, OrderRequest
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract

NEVER = 1e9  # hazard seconds: nothing inside the spread ever trades by waiting


def stop(action: str, quantity: int, trigger: float, **more: Any) -> OrderRequest:
    values: dict[str, Any] = {"order_type": "STP", "stop": Decimal(str(trigger)), **more}
    return market(action, quantity, **values)


def dear(floor: Floor) -> Contract:
    """An option with a spread of several cents."""
    wide = floor.option(700.0, "P", "20261030")
    quote = floor.quote(wide)
    assert quote.ask is not None
    assert quote.bid is not None
    assert round(quote.ask - quote.bid, 2) >= 0.03
    return wide


def test_a_market_order_trades_at_the_other_side() -> None:
    floor = Floor()
    put = floor.option(740.0, "P")
    quote = floor.quote(put)
    bought, sold = floor.place(put, market("BUY", 1)), floor.place(put, market("SELL", 1))
    assert float(bought.last_price) == quote.ask
    assert float(sold.last_price) == quote.bid


def test_no_more_trades_at_once_than_is_displayed() -> None:
    floor = Floor(hazard_seconds=NEVER)
    put = floor.option(740.0, "P")
    size = floor.quote(put).ask_size
    order = floor.place(put, market("BUY", size + 5))
    assert order.filled == size
    assert order.status == SUBMITTED
    floor.wait(120)
    assert order.remaining == 0
    assert sum(item.shares for item in floor.exchange.executions) == size + 5


def test_all_or_none_waits_for_the_whole_size() -> None:
    floor = Floor(hazard_seconds=NEVER)
    put = floor.option(740.0, "P")
    size = floor.quote(put).ask_size
    order = floor.place(put, market("BUY", size + 1, all_or_none=True))
    assert order.filled == 0
    floor.wait(600)
    assert order.filled in (0, size + 1)


@pytest.mark.parametrize(("tif", "wanted"), [("IOC", "part"), ("FOK", "none")])
def test_at_once_or_never(tif: str, wanted: str) -> None:
    floor = Floor(hazard_seconds=NEVER)
    put = floor.option(740.0, "P")
    size = floor.quote(put).ask_size
    order = floor.place(put, market("BUY", size + 1, tif=tif))
    assert order.filled == (size if wanted == "part" else 0)
    assert order.status == "Cancelled"
    assert floor.exchange.working == {}
    away = floor.place(put, limit("BUY", 1, 0.05, tif=tif))
    assert (away.status, int(away.filled)) == ("Cancelled", 0)


def test_a_good_till_date_order_dies_at_its_time() -> None:
    floor = Floor()
    put = floor.option(740.0, "P")
    till = calendar.new_york(floor.clock.now() + 86_400)
    order = floor.place(put, limit("BUY", 1, 0.05, tif="GTD", good_till=f"{till:%Y%m%d %H:%M:%S}"))
    floor.wait(86_390)
    assert not order.is_final
    floor.wait(20)
    assert (order.status, order.end_reason) == ("Cancelled", "expired")


def test_a_good_after_time_order_waits() -> None:
    floor = Floor()
    spy = floor.stock()
    after = calendar.new_york(floor.clock.now() + 600)
    order = floor.place(spy, market("BUY", 1, good_after=f"{after:%Y%m%d %H:%M:%S}"))
    assert order.status == PRE_SUBMITTED
    floor.wait(590)
    assert order.filled == 0
    floor.wait(20)
    assert order.remaining == 0


def test_a_stop_waits_for_its_price_and_then_trades_at_the_market() -> None:
    floor = Floor()
    spy = floor.stock()
    spot = floor.spot()
    floor.trade(spy, 10)
    order = floor.place(spy, stop("SELL", 10, round(spot - 10)))
    assert (order.status, order.triggered) == (PRE_SUBMITTED, False)
    floor.wait(5)
    floor.price(spot - 20)
    floor.wait(5)
    assert order.triggered
    assert order.remaining == 0
    assert float(order.last_price) < spot - 15


def test_a_stop_limit_may_be_left_behind() -> None:
    floor = Floor(hazard_seconds=NEVER)
    spy = floor.stock()
    spot = round(floor.spot())
    asked = stop("SELL", 10, spot - 10, order_type="STP LMT", limit=Decimal(spot - 11))
    order = floor.place(spy, asked)
    floor.price(spot - 50)
    floor.wait(5)
    assert (order.triggered, int(order.filled), order.status) == (True, 0, SUBMITTED)
    floor.price(spot - 5)
    floor.wait(5)
    assert order.remaining == 0
    assert order.last_price == spot - 11


def test_an_option_stop_is_triggered_by_the_book() -> None:
    floor = Floor()
    put = floor.option(740.0, "P")
    ask = floor.quote(put).ask
    assert ask is not None
    floor.trade(put, -1)
    order = floor.place(put, stop("BUY", 1, round(ask + 1, 2)))
    assert order.status == PRE_SUBMITTED
    floor.price(floor.spot() - 15)
    floor.wait(3)
    assert order.remaining == 0


def test_midprice_works_in_the_middle_and_within_its_cap() -> None:
    floor = Floor(hazard_seconds=0.1)
    floor.go(calendar.next_session(floor.clock.now())[1] + 60)  # a wider book
    spy = floor.stock()
    quote = floor.quote(spy)
    assert quote.bid is not None
    assert quote.ask is not None
    order = floor.place(spy, market("BUY", 5, order_type="MIDPRICE", outside_rth=True))
    floor.wait(30)
    assert order.remaining == 0
    assert Decimal(str(quote.bid)) - 1 < order.last_price < Decimal(str(quote.ask)) + 1
    low = floor.place(spy, limit("BUY", 5, round(floor.spot() - 5), outside_rth=True))
    floor.wait(30)
    assert low.filled == 0


def test_an_adaptive_order_walks_from_the_middle_to_the_far_side() -> None:
    prices = {}
    for priority in ("Urgent", "Patient"):
        floor = Floor(hazard_seconds=NEVER)
        wide = dear(floor)
        asked = market("BUY", 1, algo="Adaptive", algo_params=(("adaptivePriority", priority),))
        order = floor.place(wide, asked)
        assert order.filled == 0
        seconds = 0
        while order.remaining and seconds < 300:
            floor.wait(1)
            seconds += 1
        prices[priority] = seconds
    assert prices["Urgent"] <= 6 < prices["Patient"] <= 121


def test_a_twap_order_spreads_over_its_time() -> None:
    floor = Floor()
    spy = floor.stock()
    now = floor.clock.now()
    ends = calendar.new_york(now + 1000)
    params = (("startTime", ""), ("endTime", f"{ends:%Y%m%d %H:%M:%S}"))
    order = floor.place(spy, market("BUY", 100, algo="Twap", algo_params=params))
    floor.wait(500)
    assert 45 <= order.filled <= 55
    floor.wait(520)
    assert order.remaining == 0
    assert len(floor.exchange.executions) > 10


def test_stocks_alone_trade_outside_the_session() -> None:
    floor = Floor()
    closes = calendar.next_session(floor.clock.now())[1]
    floor.go(closes + 600)
    spy = floor.stock()
    late = floor.place(spy, limit("BUY", 1, 900, outside_rth=True))
    assert late.remaining == 0
    regular = floor.place(spy, limit("BUY", 1, 900))
    put = floor.place(floor.option(740.0, "P"), limit("BUY", 1, 90, outside_rth=True))
    assert (regular.status, put.status) == (PRE_SUBMITTED, PRE_SUBMITTED)
    resting = floor.place(spy, limit("BUY", 1, 1.0, outside_rth=True))
    floor.go(closes + 4 * 3600 + 60)
    assert (resting.status, resting.end_reason) == ("Cancelled", "expired")
    floor.go(calendar.next_session(floor.clock.now())[0] + 30)
    assert (int(regular.remaining), int(put.remaining)) == (0, 0)


def test_a_halted_symbol_holds_its_orders() -> None:
    floor = Floor()
    floor.market.halted.add("SPY")
    order = floor.place(floor.stock(), market("BUY", 1))
    floor.wait(30)
    assert (int(order.filled), order.status) == (0, PRE_SUBMITTED)
    floor.market.halted.discard("SPY")
    floor.wait(2)
    assert order.remaining == 0


def test_it_does_not_matter_how_often_the_exchange_steps() -> None:
    stories = []
    for stride in (1, 7, 60):
        floor = Floor(hazard_seconds=60.0)
        wide = dear(floor)
        quote = floor.quote(wide)
        assert quote.bid is not None
        assert quote.ask is not None
        price = round(quote.bid + (quote.ask - quote.bid) / 2, 2)
        floor.place(wide, limit("BUY", 3, price, order_ref="same"))
        start = floor.clock.now()
        for second in range(stride, 211, stride):
            floor.go(start + second)
        stories.append([(i.at, i.shares, i.price) for i in floor.exchange.executions])
    assert stories[0] == stories[1] == stories[2] != []
