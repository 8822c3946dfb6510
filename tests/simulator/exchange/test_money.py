"""Commissions, margin and the judgement of orders against an account."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.exchange.floor import Floor, limit, market
from theta.simulator.exchange.account import SUMMARY_TAGS
from theta.simulator.exchange.commissions import FIXED, NOTHING, TIERED, Charged, charge
from theta.simulator.exchange.margin import Holding, figures
from theta.simulator.market.contracts import Contract

FLOOR = Floor()
SPOT = Decimal(750)


def option(strike: float, right: str, expiry: str = "20260918") -> Contract:
    return FLOOR.option(strike, right, expiry)


def need(*held: tuple[Contract, int, str], cash_account: bool = False) -> Decimal:
    """Initial requirement of holdings given as (contract, units, mark)."""
    rows = [Holding(c, Decimal(units), Decimal(mark), SPOT) for c, units, mark in held]
    return figures(rows, cash_account=cash_account).initial


# -- commissions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "quantity", "price", "wanted"),
    [
        ("option", 1, "3.50", "1.00"),
        ("option", 10, "3.50", "6.50"),
        ("option", 10, "0.10", "6.50"),
        ("option", 10, "0.07", "5.00"),
        ("option", 10, "0.04", "2.50"),
        ("stock", 100, "750", "1.00"),
        ("stock", 1000, "750", "5.00"),
        ("stock", 1000, "0.20", "2.00"),
        ("stock", 10, "0.50", "0.05"),
    ],
)
def test_one_execution_is_charged_by_the_published_schedule(
    kind: str, quantity: int, price: str, wanted: str
) -> None:
    contract = FLOOR.stock() if kind == "stock" else option(740.0, "P")
    assert charge(contract, Decimal(quantity), Decimal(price))[0] == Decimal(wanted)


def test_the_tiered_plan_is_cheaper_for_small_orders() -> None:
    assert charge(FLOOR.stock(), Decimal(100), Decimal(750), plan=TIERED)[0] == Decimal("0.35")


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=8),
    st.sampled_from(["stock", "option"]),
    st.integers(1, 90_000),
)
def test_an_order_pays_the_same_however_it_is_filled(
    parts: list[int], kind: str, cents: int
) -> None:
    contract = FLOOR.stock() if kind == "stock" else option(740.0, "P")
    price = Decimal(cents) / 100
    charged: Charged = NOTHING
    fees = Decimal(0)
    for part in parts:
        fee, charged = charge(contract, Decimal(part), price, charged, FIXED)
        assert fee >= 0
        fees += fee
    whole, _ = charge(contract, Decimal(sum(parts)), price)
    assert abs(fees - whole) <= Decimal("0.01")


# -- margin ----------------------------------------------------------------------------------------


def test_stock_requires_half_at_first_and_a_quarter_later() -> None:
    row = Holding(FLOOR.stock(), Decimal(100), SPOT, SPOT)
    found = figures([row], cash_account=False)
    assert (int(found.initial), int(found.maintenance)) == (37_500, 18_750)
    short = figures([Holding(FLOOR.stock(), Decimal(-100), SPOT, SPOT)], cash_account=False)
    assert (int(short.initial), int(short.maintenance)) == (37_500, 22_500)


def test_an_uncovered_put_requires_a_fifth_less_the_distance_and_its_premium() -> None:
    # 20 % of 750 is 150, less 10 out of the money, plus 8 of premium.
    assert need((option(740.0, "P"), -1, "8")) == 14_800
    # Far out of the money a tenth of the strike counts.
    assert need((option(400.0, "P"), -1, "0.1")) == 4_010


@pytest.mark.parametrize(
    ("long", "wanted"),
    [(730.0, 1_000), (700.0, 4_000), (745.0, 0), (740.0, 0)],
)
def test_a_long_put_covers_a_short_one(long: float, wanted: int) -> None:
    assert need((option(740.0, "P"), -1, "8"), (option(long, "P"), 1, "5")) == wanted


def test_a_long_option_that_dies_first_covers_nothing() -> None:
    naked = need((option(740.0, "P"), -1, "8"))
    assert need((option(740.0, "P"), -1, "8"), (option(740.0, "P", "20260911"), 1, "5")) == naked
    assert need((option(740.0, "P"), -1, "8"), (option(740.0, "P", "20261030"), 1, "5")) == 0


def test_only_one_side_of_a_strangle_counts() -> None:
    put, call = option(740.0, "P"), option(760.0, "C")
    both = need((put, -1, "8"), (call, -1, "7"))
    assert both == max(need((put, -1, "8")) + 700, need((call, -1, "7")) + 800)
    condor = need(
        (put, -1, "8"), (option(730.0, "P"), 1, "6"), (call, -1, "7"), (option(780.0, "C"), 1, "3")
    )
    assert condor == 2_000


def test_shares_cover_calls_and_a_deep_call_counts_with_its_value() -> None:
    spy, call = FLOOR.stock(), option(760.0, "C")
    assert need((spy, 100, "750"), (call, -1, "7")) == 37_500
    assert need((spy, 100, "750"), (option(100.0, "C"), -1, "650")) == 65_000
    assert need((spy, 100, "750"), (call, -2, "7")) > 37_500


@given(
    st.lists(
        st.tuples(
            st.sampled_from([700.0, 720.0, 740.0, 760.0, 780.0]),
            st.sampled_from(["P", "C"]),
            st.integers(-4, 4),
        ),
        max_size=8,
    ),
    st.integers(-300, 300),
)
def test_more_cover_never_requires_more(rows: list[tuple[float, str, int]], shares: int) -> None:
    held = {(strike, right): units for strike, right, units in rows}
    book = [(option(s, r), units, "9") for (s, r), units in held.items()]
    book.append((FLOOR.stock(), shares, "750"))
    base = need(*book)
    assert base >= 0
    cover = (option(790.0, "P"), 1, "40")
    assert need(*book, cover) <= base


def test_a_cash_account_locks_the_strike() -> None:
    put = (option(740.0, "P"), -2, "8")
    assert need(put, cash_account=True) == 148_000
    assert need(put, (option(730.0, "P"), 2, "5"), cash_account=True) == 148_000
    covered = ((FLOOR.stock(), 100, "750"), (option(760.0, "C"), -1, "7"))
    assert need(*covered, cash_account=True) == 75_000


# -- judging orders --------------------------------------------------------------------------------


def test_working_orders_are_counted_together() -> None:
    floor = Floor(cash=Decimal(40_000))
    put = floor.option(740.0, "P")
    asked = limit("SELL", 1, 90.0)
    placed = 0
    while floor.refusal(put, asked) is None:
        floor.place(put, asked)
        placed += 1
        assert placed < 20
    assert placed == 3 - (floor.exchange.what_if(put, asked).taken * 3 > 40_000)
    found = floor.refusal(put, asked)
    assert found is not None
    assert found[0] == 201
    assert "MUST EXCEED THE INITIAL MARGIN" in found[1]
    first = next(iter(floor.exchange.working.values()))
    floor.exchange.request_cancel(first)
    floor.exchange.finish_cancel(first)
    assert floor.refusal(put, asked) is None


def test_closing_is_never_refused_on_margin() -> None:
    floor = Floor(cash=Decimal(20_000))
    put = floor.option(740.0, "P")
    floor.trade(put, -1)
    floor.account.margin_factor = Decimal(5)
    assert floor.account.values(floor.clock.now())["AvailableFunds"] < 0
    assert floor.refusal(put, market("BUY", 1)) is None
    assert floor.refusal(put, limit("SELL", 1, 9.0)) is not None


@pytest.mark.parametrize(
    ("contract", "asked", "words"),
    [
        ("stock", market("SELL", 1), "CANNOT HOLD SHORT STOCK"),
        ("call", limit("SELL", 1, 5.0), "UNCOVERED SHORT CALLS"),
        ("put", limit("SELL", 2, 5.0), "CASH NEEDED FOR THIS ORDER AND OTHER PENDING ORDERS"),
        ("put", limit("SELL", 1, 5.0), ""),
    ],
)
def test_a_cash_account_neither_borrows_nor_shorts(
    contract: str, asked: object, words: str
) -> None:
    floor = Floor(cash=Decimal(100_000), accounts=(("DU1", True),))
    found = {
        "stock": floor.stock(),
        "call": floor.option(760.0, "C"),
        "put": floor.option(740.0, "P"),
    }[contract]
    refused = floor.refusal(found, asked)  # type: ignore[arg-type]  # built above
    assert (refused is None) == (words == "")
    if refused is not None:
        assert refused[0] == 201
        assert words in refused[1]


def test_a_cash_account_waits_for_its_sales_to_settle() -> None:
    floor = Floor(cash=Decimal(100_000), accounts=(("DU1", True),))
    floor.trade(floor.stock(), 100)
    floor.trade(floor.stock(), -100)
    values = floor.account.values(floor.clock.now())
    assert values["SettledCash"] < 30_000 < values["TotalCashValue"]
    floor.wait(86_400)
    values = floor.account.values(floor.clock.now())
    assert values["SettledCash"] == values["TotalCashValue"]


def test_what_if_tells_what_a_spread_changes() -> None:
    floor = Floor()
    spread = floor.bag((floor.option(730.0, "P"), 1, "BUY"), (floor.option(740.0, "P"), 1, "SELL"))
    found = floor.exchange.what_if(spread, market("BUY", 2))
    assert found.after.initial - found.before.initial == 2_000
    assert found.commission == Decimal("2.60") / 2 + Decimal("1.30")
    assert floor.exchange.orders == {}


def test_every_summary_tag_has_a_value() -> None:
    floor = Floor()
    floor.trade(floor.stock(), 100)
    told = {**floor.account.values(floor.clock.now()), **floor.account.texts(floor.clock.now())}
    assert set(SUMMARY_TAGS) <= set(told)


def test_the_look_ahead_counts_what_expires_today() -> None:
    floor = Floor(at=Floor().clock.now() + 86_400)
    put = floor.option(790.0, "P", "20260814")
    floor.trade(put, -1)
    values = floor.account.values(floor.clock.now())
    stock = Decimal(str(round(floor.spot(), 4))) * 50
    assert abs(values["LookAheadInitMarginReq"] - stock) < 1
    assert values["InitMarginReq"] != values["LookAheadInitMarginReq"]
