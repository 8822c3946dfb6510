"""Fills a library's own contract and order objects; all libraries name the attributes alike."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from tests.simulator.clients.terms import Listing, Seen, Terms, Ticket

HUGE = 1e300


def contract_of(library: Any, terms: Terms) -> Any:
    contract = library.Contract()
    contract.conId = terms.con_id
    contract.symbol = terms.symbol
    contract.secType = terms.sec_type
    contract.lastTradeDateOrContractMonth = terms.expiry
    contract.strike = terms.strike
    contract.right = terms.right
    contract.exchange = terms.exchange
    contract.currency = terms.currency
    contract.multiplier = terms.multiplier
    contract.tradingClass = terms.trading_class
    if terms.legs:
        contract.comboLegs = []
        for wanted in terms.legs:
            leg = library.ComboLeg()
            leg.conId, leg.ratio, leg.action = wanted.con_id, wanted.ratio, wanted.action
            leg.exchange = terms.exchange
            contract.comboLegs.append(leg)
    return contract


def fill_order(library: Any, order: Any, ticket: Ticket) -> Any:
    """Set what `ticket` says on `order`, new or to be modified."""
    order.action = ticket.action
    order.totalQuantity = ticket.quantity
    order.orderType = ticket.order_type
    order.tif = ticket.tif
    order.orderRef = ticket.ref
    order.account = ticket.account
    if ticket.limit is not None:
        order.lmtPrice = ticket.limit
    if ticket.stop is not None:
        order.auxPrice = ticket.stop
    if ticket.algo:
        order.algoStrategy = ticket.algo
        order.algoParams = [library.TagValue(tag, value) for tag, value in ticket.algo_params]
    for name, value in ticket.more.items():
        setattr(order, name, value)
    return order


def terms_of(contract: Any) -> Terms:
    return Terms(
        symbol=contract.symbol,
        sec_type=contract.secType,
        expiry=contract.lastTradeDateOrContractMonth,
        strike=float(contract.strike or 0.0),
        right=contract.right,
        exchange=contract.exchange,
        currency=contract.currency,
        multiplier=contract.multiplier,
        trading_class=contract.tradingClass,
        con_id=contract.conId,
    )


def listing_of(details: Any) -> Listing:
    return Listing(
        terms=terms_of(details.contract),
        local_symbol=details.contract.localSymbol,
        long_name=details.longName,
        min_tick=details.minTick,
        market_rules=tuple(int(number) for number in details.marketRuleIds.split(",") if number),
        exchanges=tuple(details.validExchanges.split(",")),
        order_types=tuple(kind for kind in details.orderTypes.split(",") if kind),
        under_con_id=details.underConId,
    )


def seen_of(contract: Any, order: Any, status: str) -> Seen:
    return Seen(
        client_id=order.clientId,
        order_id=order.orderId,
        perm_id=order.permId,
        ref=order.orderRef,
        action=order.action,
        quantity=float(order.totalQuantity),
        limit=float(order.lmtPrice),
        status=status,
        con_id=contract.conId,
    )


def known(value: Any) -> float | None:
    """`None` for every way in which the libraries say that a number is not set."""
    if value is None or value == "" or math.isnan(value) or abs(value) > HUGE:
        return None
    return float(value)


def modules(*sources: Any) -> Any:
    """One namespace with the classes of a library that spreads them over modules."""
    found = SimpleNamespace()
    for source in sources:
        vars(found).update(vars(source))
    return found
