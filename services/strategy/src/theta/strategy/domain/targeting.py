"""How many shares to aim at and how many contracts one run may add (wheel rules 1.3 and 1.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal

from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.money import round_cents_half_even
from theta.common.domain.portfolio import PendingOrder, Portfolio, exposure_of


def target_notional_usd(net_liquidation: Decimal, margin_usage: Decimal) -> Decimal:
    """Return floor(net liquidation × margin usage): a target, not the broker's buying power."""
    return (net_liquidation * margin_usage).to_integral_value(rounding=ROUND_FLOOR)


def target_shares(notional_usd: Decimal, weight: Decimal, price: Decimal) -> int:
    """Return floor(round(weight × notional, cents) / price). `price` is positive."""
    value = round_cents_half_even(notional_usd * weight)
    return int((value / price).to_integral_value(rounding=ROUND_FLOOR))


def max_new_contracts(
    notional_usd: Decimal, ratio: Decimal, price: Decimal, multiplier: int
) -> int:
    """Return how many contracts one run may add: never below 1, however dear the underlying."""
    return max(1, int(ratio * notional_usd / price // multiplier))


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Shares of one symbol that are held, or that puts may bring. None is negative but `held`."""

    held_shares: int
    """Floor of the shares held, plus pending purchases of shares: they may all fill."""
    short_put_shares: Decimal


def coverage_of(
    portfolio: Portfolio, pending: Iterable[PendingOrder], symbol: str, *, net_long_puts: bool
) -> Coverage:
    """Count what already covers the target of `symbol` (order-protocol §3).

    Pending sales of puts and purchases of shares count as if they filled; pending sales of shares
    and purchases of puts count as if they never do.
    """
    orders = [order for order in pending if order.contract.symbol == symbol]
    positions = [held for held in portfolio.positions if held.contract.symbol == symbol]
    bought = sum(
        order.quantity_signed
        for order in orders
        if order.contract.sec_type is SecType.STOCK and order.quantity_signed > 0
    )
    held = int(portfolio.shares_of(symbol).to_integral_value(rounding=ROUND_FLOOR))
    short = exposure_of(positions, orders).short_put_shares.get(symbol, Decimal(0))
    if net_long_puts:
        rows = [(one.contract, one.quantity) for one in positions]
        rows += [
            (order.contract, Decimal(order.quantity_signed))
            for order in orders
            if order.quantity_signed < 0
        ]
        short = _unmatched_short_put_shares(rows)
    return Coverage(held_shares=held + bought, short_put_shares=short)


def _unmatched_short_put_shares(rows: Iterable[tuple[Contract, Decimal]]) -> Decimal:
    """Offset short puts by long ones that expire no earlier at no lower strike, greedily.

    Both are walked by descending (expiry, strike); quantities are in shares.
    """
    legs = sorted(
        (
            (_terms(contract), quantity * contract.multiplier)
            for contract, quantity in rows
            if contract.right is Right.PUT
        ),
        key=lambda leg: leg[0],
        reverse=True,
    )
    longs = [[terms, shares] for terms, shares in legs if shares > 0]
    total = Decimal(0)
    for terms, shares in legs:
        left = -shares
        if left <= 0:
            continue
        for cover in longs:
            cover_terms, available = cover
            assert isinstance(cover_terms, tuple)
            assert isinstance(available, Decimal)
            if cover_terms[0] >= terms[0] and cover_terms[1] >= terms[1]:
                used = min(left, available)
                cover[1] = available - used
                left -= used
        total += left
    return total


def _terms(contract: Contract) -> tuple[date, Decimal]:
    assert contract.expiry is not None
    assert contract.strike is not None
    return contract.expiry, contract.strike
