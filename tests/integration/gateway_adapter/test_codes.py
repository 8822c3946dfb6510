"""The table of message codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.broker_gateway.adapters.ibkr.codes import TABLE, CodeAction, Level, lookup

ON_ORDERS = frozenset(
    {
        CodeAction.ORDER_LIVE,
        CodeAction.ORDER_REJECTED,
        CodeAction.ORDER_CANCELLED,
        CodeAction.ORDER_RECONCILE,
    }
)


@given(st.integers(1, 100_000).filter(lambda code: code not in TABLE))
def test_unknown_code_on_an_order_pages_and_is_found_out(code: int) -> None:
    meaning = lookup(code, on_order=True)
    assert (meaning.level, meaning.action) == (Level.PAGE, CodeAction.ORDER_RECONCILE)
    assert not meaning.known
    assert lookup(code, on_order=False).level is Level.WARN


@pytest.mark.parametrize("code", [105, 329, 399, 404, 10349, 2102, 2109])
def test_codes_of_live_orders_say_live(code: int) -> None:
    assert lookup(code, on_order=True).action is CodeAction.ORDER_LIVE


@pytest.mark.parametrize("code", [320, 321, 322, 323, 103, 133, 135, 136, 161, 10147, 10148])
def test_codes_that_tell_no_fate_ask_to_reconcile(code: int) -> None:
    assert lookup(code, on_order=True).action is CodeAction.ORDER_RECONCILE


@pytest.mark.parametrize("code", sorted(TABLE))
def test_every_code_with_an_orders_id_has_an_action_for_orders(code: int) -> None:
    assert lookup(code, on_order=True).action in ON_ORDERS


def test_rejection_pages_only_for_want_of_margin() -> None:
    text = "Order rejected - reason:The available funds are insufficient"
    assert lookup(201, on_order=True, text=text).level is Level.PAGE
    assert lookup(201, on_order=True, text="Order rejected - reason:Closed").level is Level.WARN


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (1100, CodeAction.LINK_DOWN),
        (2110, CodeAction.LINK_DOWN),
        (1101, CodeAction.LINK_UP_DATA_LOST),
        (1102, CodeAction.LINK_UP),
        (1300, CodeAction.RECONNECT),
        (2103, CodeAction.QUOTES_UNTRUSTED),
        (2104, CodeAction.QUOTES_FRESH_TICK),
        (326, CodeAction.CLIENT_ID_IN_USE),
        (200, CodeAction.UNKNOWN_CONTRACT),
    ],
)
def test_codes_of_the_session_act_on_it(code: int, action: CodeAction) -> None:
    assert lookup(code, on_order=False).action is action
