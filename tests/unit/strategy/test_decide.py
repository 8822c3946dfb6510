"""One symbol at a time through the wheel rules, each case with the code it must give."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.wheel_market import (
    EXPIRY,
    NOW,
    SESSION,
    abc_chain,
    abc_market,
    one_symbol,
    put,
    put_quote,
    shipped_market,
    stock_quote,
    two_rounds,
)
from tests.support.wheel_market import example_policy as policy_of_the_example
from theta.common.domain.calendar import Session
from theta.common.domain.decisions import Decision, Outcome
from theta.common.domain.instruments import stock
from theta.common.domain.orders import Action, Effect, TradingState
from theta.common.domain.portfolio import PendingOrder
from theta.common.domain.quotes import MarketDataType, Quote
from theta.strategy.domain.assess import exchange_today
from theta.strategy.domain.decide import VALIDITY, decide
from theta.strategy.domain.policy import WheelPolicy, WriteThreshold
from theta.strategy.domain.reasons import Code
from theta.strategy.domain.snapshot import Snapshot


def only(snapshot: Snapshot, policy: WheelPolicy | None = None, now: datetime = NOW) -> Decision:
    (decision,) = decide(snapshot, policy or one_symbol(), now)
    return decision


def code_of(decision: Decision) -> str:
    return decision.reasons[0].code


def refusals(decision: Decision) -> list[str]:
    return [one.code for seen in decision.candidates for one in seen.refused]


def pending(contract: Any, quantity: int, *, foreign: bool = False) -> PendingOrder:
    return PendingOrder(contract=contract, quantity_signed=quantity, foreign=foreign)


GOOD = put_quote("90")

# 400,000 × 0.9 at 100 is 3,600 shares: 36 contracts, of which one run may add floor(5 % of
# 360,000 / 100 / 100) = 1.


def test_a_put_is_proposed_with_its_price_and_bounds() -> None:
    decision = only(abc_market(GOOD))
    order = decision.order
    assert order is not None
    assert (order.action, order.effect, order.quantity) == (Action.SELL, Effect.OPENING, 1)
    # The mid price 1.05 is above the model's 1.04; bid and ask bound a later reprice.
    assert (order.limit_price, order.price_floor, order.price_ceiling) == (
        Decimal("1.05"),
        Decimal("1.00"),
        Decimal("1.10"),
    )
    assert order.expires_market_at == NOW + VALIDITY
    priced_on = Quote.from_record(order.contract, order.quote)
    assert (priced_on.at, priced_on.bid, priced_on.ask) == (GOOD.at, GOOD.bid, GOOD.ask)
    assert (priced_on.delta, priced_on.trusted) == (GOOD.delta, True)
    assert [seen.chosen for seen in decision.candidates] == [True]
    assert {one.code for one in decision.reasons[1:]} == {Code.TARGET, Code.QUANTITY, Code.DAY_MOVE}


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({"model_price": Decimal("1.08")}, "1.08"),
        ({"model_price": None}, "1.05"),
        ({"bid": Decimal("1.00"), "ask": Decimal("1.11")}, "1.06"),
    ],
    ids=["model above mid", "no model", "rounded up to the tick"],
)
def test_the_price_is_the_higher_of_mid_and_model(changes: dict[str, Any], limit: str) -> None:
    order = only(abc_market(put_quote("90", **changes))).order
    assert order is not None
    assert order.limit_price == Decimal(limit)


def test_the_floor_is_never_below_the_minimum_credit() -> None:
    policy = replace(one_symbol(), minimum_credit=Decimal("1.02"))
    order = only(abc_market(GOOD), policy).order
    assert order is not None
    assert order.price_floor == Decimal("1.02")


def test_validity_ends_with_the_session() -> None:
    soon = replace(SESSION, close_at=NOW + timedelta(minutes=10))
    policy = replace(one_symbol(), delay_before_close=timedelta(0))
    order = only(abc_market(GOOD, session=soon), policy).order
    assert order is not None
    assert order.expires_market_at == soon.close_at


def test_ignoring_hours_trades_without_a_session() -> None:
    policy = replace(one_symbol(), ignore_hours=True)
    order = only(abc_market(GOOD, session=None), policy).order
    assert order is not None
    assert order.expires_market_at == NOW + VALIDITY


BLOCKED: list[tuple[str, dict[str, Any], dict[str, Any], Code]] = [
    ("no_trading", {}, {"no_trading": True}, Code.NO_TRADING),
    ("halted", {"trading": TradingState.HALTED}, {}, Code.TRADING_STATE),
    ("reducing", {"trading": TradingState.REDUCING}, {}, Code.TRADING_STATE),
    ("closed", {"session": None}, {}, Code.MARKET_CLOSED),
    ("no net liquidation", {"net_liquidation": None}, {}, Code.NET_LIQUIDATION_MISSING),
    ("no money", {"net_liquidation": "0"}, {}, Code.NET_LIQUIDATION_MISSING),
    (
        "no price",
        {"underlying": stock_quote(bid=None, last=None)},
        {},
        Code.UNDERLYING_UNQUOTED,
    ),
    (
        "old underlying",
        {"underlying": stock_quote(at=NOW - timedelta(seconds=31))},
        {},
        Code.UNDERLYING_STALE,
    ),
    ("untrusted", {"underlying": stock_quote(trusted=False)}, {}, Code.UNDERLYING_STALE),
    (
        "delayed",
        {"underlying": stock_quote(data_type=MarketDataType.DELAYED)},
        {},
        Code.UNDERLYING_NOT_LIVE,
    ),
    ("other currency", {"chain": abc_chain(currency="EUR")}, {}, Code.CURRENCY_DIFFERS),
    (
        "no close, red only",
        {"underlying": stock_quote(close=None)},
        {"on_green": False},
        Code.CLOSE_MISSING,
    ),
    ("no history", {}, {"threshold": WriteThreshold(sigma=Decimal(1))}, Code.HISTORY_MISSING),
    ("no expiry", {}, {"dte_min": 50}, Code.NO_EXPIRY),
    ("expiry too far", {}, {"dte_min": 0, "dte_max": 35}, Code.NO_EXPIRY),
    ("any expiry too near", {}, {"dte_min": 400, "dte_max": None}, Code.NO_EXPIRY),
    ("no strike", {}, {"strike_limit": Decimal(70)}, Code.NO_STRIKE),
]


@pytest.mark.parametrize(
    ("market", "changes", "code"),
    [case[1:] for case in BLOCKED],
    ids=[case[0] for case in BLOCKED],
)
def test_what_blocks(market: dict[str, Any], changes: dict[str, Any], code: Code) -> None:
    decision = only(abc_market(GOOD, **market), one_symbol(**changes))
    assert (decision.outcome, code_of(decision)) == (Outcome.BLOCKED, code)


NOTHING: list[tuple[str, dict[str, Any], dict[str, Any], Code]] = [
    ("shares bought instead", {}, {"rebalance_buys": True}, Code.REBALANCE_BUYS_SHARES),
    ("held", {"held": [(stock("ABC"), 3501)]}, {}, Code.TARGET_MET),
    ("short puts", {"held": [(put("90"), -36)]}, {}, Code.TARGET_MET),
    ("pending puts", {"pending": [pending(put("90"), -36)]}, {}, Code.TARGET_MET),
    ("foreign puts", {"pending": [pending(put("90"), -36, foreign=True)]}, {}, Code.TARGET_MET),
    ("shares on the way", {"pending": [pending(stock("ABC"), 3600)]}, {}, Code.TARGET_MET),
    (
        "one share over the target",
        {"held": [(stock("ABC"), 3601)]},
        {},
        Code.TARGET_MET,
    ),
    (
        "green",
        {"underlying": stock_quote(close=Decimal(99))},
        {"on_green": False},
        Code.DAY_IS_GREEN,
    ),
    ("red", {"underlying": stock_quote(close=Decimal(101))}, {"on_red": False}, Code.DAY_IS_RED),
    (
        "small move",
        {"underlying": stock_quote(close=Decimal(101))},
        {"threshold": WriteThreshold(ratio=Decimal("0.02"))},
        Code.MOVE_BELOW_THRESHOLD,
    ),
    (
        "small move in sigmas",
        {
            "underlying": stock_quote(close=Decimal(101)),
            "closes": tuple(Decimal(c) for c in (100, 103, 99, 104, 101)),
        },
        {"threshold": WriteThreshold(sigma=Decimal(1))},
        Code.MOVE_BELOW_THRESHOLD,
    ),
]


@pytest.mark.parametrize(
    ("market", "changes", "code"),
    [case[1:] for case in NOTHING],
    ids=[case[0] for case in NOTHING],
)
def test_what_asks_for_nothing(market: dict[str, Any], changes: dict[str, Any], code: Code) -> None:
    decision = only(abc_market(GOOD, **market), one_symbol(**changes))
    assert (decision.outcome, code_of(decision)) == (Outcome.NOTHING, code)


@pytest.mark.parametrize(
    ("market", "changes"),
    [
        # Equal passes both days; the last contract still fits at 3,500 shares.
        ({}, {"on_green": False, "on_red": False}),
        ({"held": [(stock("ABC"), 3500)]}, {}),
        ({"pending": [pending(put("90"), 36), pending(stock("ABC"), -50)]}, {}),
        ({"underlying": stock_quote(close=None)}, {}),
        (
            {"underlying": stock_quote(close=Decimal(103))},
            {"threshold": WriteThreshold(ratio=Decimal("0.02"))},
        ),
        (
            {
                "underlying": stock_quote(close=Decimal(110)),
                "closes": tuple(Decimal(c) for c in (100, 103, 99, 104, 101)),
            },
            {"threshold": WriteThreshold(sigma=Decimal(1))},
        ),
    ],
    ids=["equal", "last contract", "purchases of puts", "no close needed", "percent", "sigma"],
)
def test_what_still_writes(market: dict[str, Any], changes: dict[str, Any]) -> None:
    assert only(abc_market(GOOD, **market), one_symbol(**changes)).outcome is Outcome.ORDER


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (SESSION.open_at + timedelta(minutes=30), Code.PUT_PROPOSED),
        (SESSION.open_at + timedelta(minutes=30, seconds=-1), Code.OUTSIDE_TRADING_WINDOW),
        (SESSION.close_at - timedelta(minutes=30), Code.PUT_PROPOSED),
        (SESSION.close_at - timedelta(minutes=30, seconds=-1), Code.OUTSIDE_TRADING_WINDOW),
    ],
)
def test_w19_the_window_is_inclusive_and_holds_at_both_ends(now: datetime, code: Code) -> None:
    assert code_of(only(abc_market(GOOD), now=now)) == code


def test_an_early_close_moves_the_window() -> None:
    early = Session(day=SESSION.day, open_at=SESSION.open_at, close_at=NOW + timedelta(minutes=29))
    assert code_of(only(abc_market(GOOD, session=early))) == Code.OUTSIDE_TRADING_WINDOW


REFUSED: list[tuple[str, dict[str, Any], Code]] = [
    ("W1 no delta", {"delta": None}, Code.GREEKS_MISSING),
    ("W1 a delta no put has", {"delta": Decimal("0.2")}, Code.GREEKS_MISSING),
    ("W1 a sentinel", {"delta": Decimal(-2)}, Code.GREEKS_MISSING),
    ("W3 delta above the limit", {"delta": Decimal("-0.3001")}, Code.DELTA_ABOVE_LIMIT),
    ("no price", {"bid": None, "ask": None, "model_price": None}, Code.QUOTE_MISSING),
    ("no tick", {"at": None}, Code.QUOTE_MISSING),
    ("no ask", {"ask": None, "last": Decimal(1)}, Code.QUOTE_ONE_SIDED),
    ("old", {"at": NOW - timedelta(seconds=31)}, Code.QUOTE_STALE),
    ("untrusted", {"trusted": False}, Code.QUOTE_STALE),
    ("delayed", {"data_type": MarketDataType.DELAYED}, Code.QUOTE_NOT_LIVE),
    ("cheap", {"bid": Decimal("0.05"), "ask": Decimal("0.05")}, Code.PRICE_BELOW_MINIMUM),
    ("no open interest", {"open_interest": None}, Code.OPEN_INTEREST_LOW),
    ("little open interest", {"open_interest": 9}, Code.OPEN_INTEREST_LOW),
    ("W23 adjusted contract", {"multiplier": 150}, Code.TERMS_DIFFER),
]


@pytest.mark.parametrize(
    ("changes", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_refuses_a_contract(changes: dict[str, Any], code: Code) -> None:
    decision = only(abc_market(put_quote("90", **changes)))
    assert code_of(decision) == Code.NO_CONTRACT
    assert code in refusals(decision)


def test_a_strike_worth_exercising_is_refused() -> None:
    deep = put_quote("104", bid=Decimal(3), ask=Decimal("3.1"))
    assert refusals(only(abc_market(deep))) == [Code.STRIKE_WORTH_EXERCISING]


def test_no_open_interest_is_asked_for_when_the_minimum_is_zero() -> None:
    policy = replace(one_symbol(), minimum_open_interest=0)
    decision = only(abc_market(put_quote("90", open_interest=None)), policy)
    assert decision.outcome is Outcome.ORDER


def test_nothing_quoted_is_said() -> None:
    assert code_of(only(abc_market())) == Code.NO_CONTRACT


def test_a_contract_the_broker_does_not_have_is_recorded() -> None:
    snapshot = replace(abc_market(), unknown=frozenset({put("90").economic_key}))
    assert refusals(only(snapshot)) == [Code.CONTRACT_UNKNOWN]


def test_w1_a_put_without_greeks_loses_to_one_with() -> None:
    bare = put_quote("95", delta=None, bid=Decimal(4), ask=Decimal("4.1"))
    order = only(abc_market(bare, GOOD)).order
    assert order is not None
    assert order.contract.strike == 90


def test_the_nearest_expiry_wins_then_the_highest_delta() -> None:
    later = date(2026, 10, 16)
    chain = abc_chain(expirations=(later, EXPIRY))
    options = (
        put_quote("95", expiry=later, delta=Decimal("-0.30")),
        put_quote("90", delta=Decimal("-0.20")),
        put_quote("91", delta=Decimal("-0.22")),
    )
    order = only(abc_market(*options, chain=chain)).order
    assert order is not None
    assert (order.contract.expiry, order.contract.strike) == (EXPIRY, Decimal(91))


def test_a_tie_goes_to_the_higher_strike_in_any_order_of_arrival() -> None:
    options = (put_quote("90"), put_quote("91"))
    for arrived in (options, options[::-1]):
        order = only(abc_market(*arrived)).order
        assert order is not None
        assert order.contract.strike == 91


def test_w23_the_contracts_own_multiplier_sizes_the_order() -> None:
    mini = put_quote("90", multiplier=10)
    policy = replace(one_symbol(), max_order_contracts=500)
    order = only(abc_market(mini, chain=abc_chain(multiplier=10)), policy).order
    assert order is not None
    # 5 % of 360,000 at 100 are 180 shares: 18 contracts of 10.
    assert (order.quantity, order.contract.multiplier) == (18, 10)


def test_long_puts_offset_short_ones_only_when_configured() -> None:
    held = [(put("90"), -36), (put("95"), 36)]
    market = abc_market(GOOD, held=held)
    assert code_of(only(market)) == Code.TARGET_MET
    assert only(market, replace(one_symbol(), net_long_puts=True)).outcome is Outcome.ORDER
    below = abc_market(GOOD, held=[(put("90"), -36), (put("85"), 36)])
    assert code_of(only(below, replace(one_symbol(), net_long_puts=True))) == Code.TARGET_MET
    sold = abc_market(GOOD, held=[(put("95"), 18)], pending=[pending(put("90"), -54)])
    assert code_of(only(sold, replace(one_symbol(), net_long_puts=True))) == Code.TARGET_MET


def test_w10_what_is_missing_for_one_symbol_blocks_it_alone() -> None:
    policy = policy_of_the_example()
    snapshot, _ = two_rounds(shipped_market(["SPY", "IWM"]), policy)
    trading = {**snapshot.trading, "QQQ": TradingState.ACTIVE}
    decisions = decide(replace(snapshot, trading=trading), policy, NOW)
    assert {one.symbol: code_of(one) for one in decisions} == {
        "SPY": Code.PUT_PROPOSED,
        "QQQ": Code.UNDERLYING_UNQUOTED,
        "IWM": Code.PUT_PROPOSED,
    }


def test_w10_a_missing_chain_blocks_with_its_code() -> None:
    market = abc_market(GOOD)
    bare = replace(market, markets={"ABC": replace(market.markets["ABC"], chain=None)})
    assert code_of(only(bare)) == Code.CHAIN_UNAVAILABLE


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 8, 21, 3, 59, tzinfo=UTC), date(2026, 8, 20)),
        (datetime(2026, 8, 21, 4, 1, tzinfo=UTC), date(2026, 8, 21)),
        (datetime(2026, 12, 1, 4, 59, tzinfo=UTC), date(2026, 11, 30)),
    ],
)
def test_w28_the_exchanges_date_counts_days_not_the_hosts(now: datetime, expected: date) -> None:
    assert exchange_today(now) == expected
