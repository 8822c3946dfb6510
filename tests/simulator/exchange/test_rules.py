"""Which orders are refused, and with which code."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.exchange.floor import OPENED, Floor, limit, market
from theta.simulator.exchange import rules
from theta.simulator.exchange.rules import Venue

FLOOR = Floor()
SPY = FLOOR.stock()
PUT = FLOOR.option(740.0, "P")
BAG = FLOOR.bag((FLOOR.option(730.0, "P"), 1, "BUY"), (PUT, 1, "SELL"))
KINDS = {"stock": SPY, "option": PUT, "bag": BAG}
ADAPTIVE: dict[str, Any] = {"algo": "Adaptive", "algo_params": (("adaptivePriority", "Urgent"),)}
VWAP: dict[str, Any] = {"algo": "Vwap", "algo_params": (("maxPctVol", "0.1"),)}
ONE = Venue(("DU1",), ((0.0, 0.01),), OPENED, refuse_etrade_only=True)


def code(kind: str, venue: Venue = ONE, **changes: Any) -> int:
    """The code that a limit order of 1 at 3.50 is refused with after ``changes``; 0 for none."""
    values: dict[str, Any] = {"order_type": "LMT", "limit": Decimal("3.50"), **changes}
    asked = market(values.pop("action", "BUY"), values.pop("quantity", 1), **values)
    found = rules.refusal(KINDS[kind], asked, venue)
    return found[0] if found else 0


@pytest.mark.parametrize(
    ("kind", "changes", "wanted"),
    [
        ("option", {"order_type": "MKT", "limit": None}, 0),
        ("stock", {"order_type": "MIDPRICE"}, 0),
        ("option", {"order_type": "MIDPRICE"}, 387),
        ("bag", {"order_type": "MIDPRICE"}, 387),
        ("stock", {"order_type": "STP", "stop": Decimal(700)}, 0),
        ("stock", {"order_type": "STP", "stop": None}, 321),
        ("option", {"order_type": "STP LMT", "stop": Decimal("4.00")}, 0),
        ("bag", {"order_type": "STP", "stop": Decimal(1)}, 387),
        ("stock", {"order_type": "TRAIL"}, 387),
        ("stock", ADAPTIVE, 0),
        ("option", ADAPTIVE, 0),
        ("bag", ADAPTIVE, 387),
        ("stock", VWAP, 0),
        ("option", VWAP, 387),
        ("stock", {"algo": "Guess"}, 439),
        ("stock", {"algo": "Adaptive", "algo_params": (("adaptivePriority", "Slow"),)}, 441),
        ("stock", {"algo": "Vwap", "algo_params": (("endTime", "late"),)}, 441),
        ("stock", {"algo": "Vwap", "algo_params": (("colour", "red"),)}, 443),
        ("stock", {**ADAPTIVE, "order_type": "STP", "stop": Decimal(1)}, 387),
        ("option", {"tif": "IOC"}, 0),
        ("option", {"tif": "FOK"}, 0),
        ("option", {"tif": "OPG"}, 111),
        ("stock", {"tif": "IOC", "order_type": "STP", "stop": Decimal(1)}, 111),
        ("stock", {**ADAPTIVE, "tif": "IOC"}, 111),
        ("option", {"tif": "GTD"}, 321),
        ("option", {"tif": "GTD", "good_till": "20260801 10:00:00"}, 321),
        ("option", {"tif": "GTD", "good_till": "20260901 10:00:00 US/Eastern"}, 0),
        ("option", {"tif": "GTD", "good_till": "20260901-14:00:00"}, 0),
        ("option", {"good_after": "soon"}, 321),
        ("option", {"quantity": 0}, 434),
        ("option", {"quantity": "1.5"}, 10243),
        ("option", {"quantity": 2_000_000}, 321),
        ("option", {"action": "SSHORT"}, 321),
        ("option", {"account": "DU9"}, 321),
        ("option", {"limit": None}, 321),
        ("option", {"limit": Decimal(-1)}, 321),
        ("bag", {"limit": Decimal("-1.25")}, 0),
        ("bag", {"limit": Decimal(0)}, 0),
        ("bag", {"limit": Decimal("-1.255")}, 110),
        ("option", {"limit": Decimal("3.555")}, 110),
        ("option", {"extras": (("eTradeOnly", "1"),)}, 10268),
        ("option", {"extras": (("firmQuoteOnly", "1"),)}, 10269),
        ("option", {"extras": (("eTradeOnly", "0"), ("nbboPriceCap", ""))}, 0),
        ("option", {"extras": (("faGroup", "All"),)}, 321),
        ("option", {"extras": (("conditions", '[["1"]]'),)}, 321),
        ("option", {"extras": (("hedgeType", "D"),)}, 321),
        ("option", {"extras": (("scalePriceIncrement", "0.5"),)}, 321),
        ("option", {"extras": (("adjustedOrderType", "None"), ("displaySize", "5"))}, 0),
        ("option", {"oca_type": 4, "oca_group": "x"}, 321),
    ],
)
def test_an_order_is_refused_by_its_first_fault(
    kind: str, changes: dict[str, Any], wanted: int
) -> None:
    assert code(kind, **changes) == wanted


def test_old_attributes_are_taken_unless_the_limit_is_set() -> None:
    lenient = Venue(("DU1",), now=OPENED)
    assert code("option", lenient, extras=(("eTradeOnly", "1"),)) == 0


def test_an_account_must_be_named_where_there_are_several() -> None:
    several = Venue(("DU1", "DU2"), now=OPENED)
    assert code("option", several) == 435
    assert code("option", several, account="DU2") == 0


@pytest.mark.parametrize(
    ("price", "fits"), [("2.95", True), ("2.97", False), ("3.05", False), ("3.10", True)]
)
def test_the_price_step_is_that_of_the_price(price: str, fits: bool) -> None:
    nickels = Venue(("DU1",), ((0.0, 0.05), (3.0, 0.10)), OPENED)
    assert (code("option", nickels, limit=Decimal(price)) == 0) == fits


def test_changes_and_cancels_are_judged_by_the_order() -> None:
    floor = Floor()
    put, asked = floor.option(740.0, "P"), limit("SELL", 2, 90.0)
    order = floor.place(put, asked)
    changed = limit("SELL", 1, 80.0)
    assert rules.modify_refusal(order, put, changed) is None
    wrong = [
        (floor.stock(), changed, 105),
        (put, limit("BUY", 1, 80.0), 105),
        (put, limit("SELL", 1, 80.0, account="DU2"), 105),
        (put, market("SELL", 1), 105),
        (put, limit("SELL", 1, 80.0, algo="Adaptive"), 440),
    ]
    for contract, request, wanted in wrong:
        found = rules.modify_refusal(order, contract, request)
        assert found is not None
        assert found[0] == wanted
    assert rules.cancel_refusal(order, 1, 1) is None
    floor.exchange.request_cancel(order)
    for found in (rules.modify_refusal(order, put, changed), rules.cancel_refusal(order, 1, 1)):
        assert found is not None
        assert found[0] == 161
    floor.exchange.finish_cancel(order)
    found = rules.cancel_refusal(order, 1, 1)
    assert found is not None
    assert found[0] == 10148
    assert "state: Cancelled" in found[1]
    missing, forgotten = rules.cancel_refusal(None, 9, 1), rules.cancel_refusal(None, 1, 9)
    assert missing is not None
    assert missing[0] == 10147
    assert forgotten is not None
    assert forgotten[0] == 135
    filled = floor.trade(put, 1)
    found = rules.modify_refusal(filled, put, changed)
    assert found is not None
    assert found[0] == 104
