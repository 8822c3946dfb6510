"""An order goes through a client's own encoder, our decoder, our encoder and the client's own
decoder, and is the same."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.wire.libraries import ASYNC, INSYNC, Library, OfficialLibrary
from tests.simulator.wire.orders import TOLD_FOR_UNSET, UNSET_PRICE, UNSET_WHOLE, Drawn, orders
from theta.simulator.exchange.model import Order, OrderRequest
from theta.simulator.market.contracts import Contract, Leg, Query
from theta.simulator.wire import versioned
from theta.simulator.wire.fields import Fields
from theta.simulator.wire.requests import read_order, read_order_id

NOT_COMPLETED = frozenset(
    {
        "clientId", "auctionStrategy", "blockOrder", "eTradeOnly", "firmQuoteOnly", "nbboPriceCap",
        "parentId", "deltaNeutralSettlingFirm", "deltaNeutralClearingAccount",
        "deltaNeutralClearingIntent", "deltaNeutralOpenClose", "optOutSmartRouting", "whatIf",
        "adjustedOrderType", "triggerPrice", "adjustedStopPrice", "adjustedStopLimitPrice",
        "adjustedTrailingAmount", "adjustableTrailingUnit", "discretionaryUpToLimitPrice",
        "usePriceMgmtAlgo", "duration", "postToAts",
    }
)  # fmt: skip
"""Attributes that completed orders do not tell."""


def as_accepted(request: OrderRequest) -> Order:
    """The order that the exchange keeps of a request."""
    return Order(
        perm_id=1_234_567, client_id=9, order_id=41, con_id=756733, action=request.action,
        quantity=request.quantity, order_type=request.order_type, limit=request.limit,
        tif=request.tif, account=request.account, order_ref=request.order_ref,
        outside_rth=request.outside_rth, placed_at=0.0, expires_at=None, stop=request.stop,
        good_till=request.good_till, good_after=request.good_after, algo=request.algo,
        algo_params=request.algo_params, parent_id=request.parent_id,
        oca_group=request.oca_group, oca_type=request.oca_type,
        all_or_none=request.all_or_none, open_close=request.open_close,
        transmit=request.transmit, extras=request.extras, filled=Decimal(0),
    )  # fmt: skip


def as_found(query: Query) -> Contract:
    """The contract that the market finds for a query."""
    return Contract(
        756733, query.symbol, query.sec_type, query.expiry, query.strike, query.right, "", 0,
        legs=query.legs,
    )  # fmt: skip


def taken(library: Library, version: int, drawn: Drawn) -> tuple[Query, OrderRequest]:
    """What we read of the library's message; nothing of it may be left unread."""
    values = library.encode(version, "placeOrder", 41, drawn.contract, drawn.order)
    fields = Fields(values[1:])
    assert read_order_id(fields, version) == 41
    query, request = read_order(fields, version)
    assert fields.left() == 0
    return query, request


def expected(drawn: Drawn) -> dict[str, Any]:
    told = {}
    for name, value in drawn.told.items():
        unset = value in ("", UNSET_PRICE, UNSET_WHOLE) or (name in ("ocaType",) and not value)
        told[name] = TOLD_FOR_UNSET.get(name, value) if unset else value
    told.pop("transmit")
    return told


def same_order(library: Library, drawn: Drawn, contract: Any, order: Any, *skip: str) -> None:
    for name, value in expected(drawn).items():
        if name not in skip:
            assert getattr(order, name) == value, name
    assert [leg.price for leg in order.orderComboLegs or []] == drawn.leg_prices
    assert _pairs(order.smartComboRoutingParams) == drawn.routing
    assert _pairs(order.algoParams) == drawn.algo
    assert [library.condition_values(one) for one in order.conditions] == drawn.conditions
    assert [vars(leg) for leg in contract.comboLegs or []] == drawn.legs
    hedge = contract.deltaNeutralContract
    assert (hedge and (hedge.conId, hedge.delta, hedge.price)) == drawn.hedge
    assert contract.exchange == drawn.contract.exchange


def _pairs(tags: Any) -> list[tuple[str, str]]:
    return [(tag.tag, tag.value) for tag in tags or []]


def round_trip(library: Library, version: int, drawn: Drawn) -> None:
    query, request = taken(library, version, drawn)
    assert query.legs == tuple(
        Leg(leg["conId"], leg["ratio"], leg["action"], leg["exchange"], leg["openClose"])
        for leg in drawn.legs
    )
    extras = dict(request.extras)
    for name, value in drawn.silent.items():
        assert extras.get(name, "") == (value if isinstance(value, str) else "1" if value else "")
    accepted = as_accepted(request)
    order = Order.restore(json.loads(json.dumps(accepted.dump(), default=str)))
    assert order == accepted
    view = versioned.OrderView(order, as_found(query), "Submitted", order.perm_id, request.what_if)
    fields = versioned.open_order(version, view)
    order_id, contract, opened, state = library.decode(version, fields, "openOrder")
    assert (order_id, opened.clientId, opened.permId) == (41, 9, 1_234_567)
    assert state.status == "Submitted"
    same_order(library, drawn, contract, opened)
    if version >= 106:
        assert (opened.softDollarTier.name, opened.softDollarTier.val) == ("Tier", "Value")
    if version < 150:
        return
    fields = versioned.completed_order(version, view, "20260914 12:00:00 America/New_York")
    contract, completed, _ = library.decode(version, fields, "completedOrder")
    same_order(library, drawn, contract, completed, *NOT_COMPLETED)


CALM = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)


@pytest.mark.parametrize("library", [INSYNC, ASYNC], ids=lambda library: library.name)
@given(data=st.data())
@settings(CALM, max_examples=10)
def test_orders_come_back_as_they_were_sent(library: Library, data: st.DataObject) -> None:
    version = data.draw(st.sampled_from(library.versions))
    round_trip(library, version, data.draw(orders(library, version)))


@given(data=st.data())
@settings(CALM, max_examples=10)
def test_orders_of_the_official_library_come_back(
    ibapi: OfficialLibrary, data: st.DataObject
) -> None:
    version = data.draw(st.sampled_from(ibapi.versions))
    round_trip(ibapi, version, data.draw(orders(ibapi, version)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "version"),
    [(library, version) for library in (INSYNC, ASYNC) for version in library.versions],
    ids=lambda value: value if isinstance(value, int) else value.name,
)
@given(data=st.data())
@settings(CALM, max_examples=20)
def test_orders_come_back_in_every_version(
    library: Library, version: int, data: st.DataObject
) -> None:
    round_trip(library, version, data.draw(orders(library, version)))


@pytest.mark.slow
@pytest.mark.parametrize("version", OfficialLibrary.versions)
@given(data=st.data())
@settings(CALM, max_examples=20)
def test_orders_of_the_official_library_come_back_in_every_version(
    ibapi: OfficialLibrary, version: int, data: st.DataObject
) -> None:
    round_trip(ibapi, version, data.draw(orders(ibapi, version)))
