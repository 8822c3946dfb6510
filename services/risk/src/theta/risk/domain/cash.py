"""Cash that an order would need, and cash that the account has for it. Pure.

All amounts are in the account's currency. A short put needs strike × multiplier × contracts, what
its assignment would cost; a purchase needs what it pays at its limit price.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from theta.common.domain.instruments import Right, SecType
from theta.common.domain.money import finite
from theta.common.domain.orders import Action, Effect
from theta.common.domain.portfolio import Portfolio, Position, exposure_of
from theta.risk.domain.framework import Commitments, ReviewedOrder


class CashUnknownError(ValueError):
    """A figure is missing or impossible. `what` is the tail of the refusal code."""

    def __init__(self, what: str, text: str) -> None:
        super().__init__(text)
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """What is free, and the parts it was computed from."""

    amount: Decimal
    buying_power: Decimal
    ceiling: Decimal
    stock_value: Decimal
    held_assignment: Decimal
    reserved: Decimal
    unreserved: Decimal

    def describe(self) -> str:
        """Return the sum as people would write it down."""
        return (
            f"min(buying power {self.buying_power}, ceiling {self.ceiling}"
            f" − stock {self.stock_value} − short puts {self.held_assignment})"
            f" − reserved {self.reserved} − unreserved {self.unreserved} = {self.amount}"
        )


def cash_needed(order: ReviewedOrder) -> Decimal:
    """Return the cash to reserve for `order`; 0 for an order that reduces risk.

    Raises CashUnknownError for an opening sale other than a put (nothing here bounds its risk) and
    for a figure that is missing or not above zero.
    """
    if order.effect is Effect.REDUCING:
        return Decimal(0)
    contract = order.contract
    if order.action is Action.BUY:
        price = finite(order.limit_price)
        if price is None or price <= 0:
            raise CashUnknownError("no_price", "a purchase without a limit price has no known cost")
        return price * contract.multiplier * order.quantity
    if contract.sec_type is not SecType.OPTION or contract.right is not Right.PUT:
        raise CashUnknownError(
            "unsupported", "this version opens short positions in puts only, secured by cash"
        )
    strike = finite(contract.strike)
    if strike is None or strike <= 0:
        raise CashUnknownError("no_strike", "the strike is missing or not above zero")
    return strike * contract.multiplier * order.quantity


def cash_available(
    portfolio: Portfolio, commitments: Commitments, margin_usage_ratio: Decimal
) -> Available:
    """Return the cash free for a new order: the smaller of what the broker and our own usage allow,
    less what was promised already.

    Only approved orders and orders the broker may hold are promised: a proposed one is reviewed by
    itself, after this one's reservation stands. Raises CashUnknownError when any figure is missing,
    NaN or negative where it cannot be.
    """
    buying_power = finite(portfolio.values.buying_power)
    net_liquidation = finite(portfolio.values.net_liquidation)
    if buying_power is None:
        raise CashUnknownError("no_buying_power", "the broker did not report buying power")
    if net_liquidation is None:
        raise CashUnknownError("no_net_liquidation", "the broker did not report net liquidation")
    reserved = finite(commitments.reserved)
    if reserved is None or reserved < 0:
        raise CashUnknownError("bad_reservations", "the sum of reservations is not an amount")
    if any(finite(held.quantity) is None for held in portfolio.positions):
        raise CashUnknownError("bad_position", "a position has no quantity")
    stock_value = sum((_stock_value(held) for held in portfolio.positions), Decimal(0))
    held = exposure_of(portfolio.positions, ()).short_put_assignment_usd
    unreserved = exposure_of((), commitments.unreserved).short_put_assignment_usd
    ceiling = max(Decimal(0), net_liquidation) * margin_usage_ratio
    amount = min(buying_power, ceiling - stock_value - held) - reserved - unreserved
    return Available(
        amount=amount,
        buying_power=buying_power,
        ceiling=ceiling,
        stock_value=stock_value,
        held_assignment=held,
        reserved=reserved,
        unreserved=unreserved,
    )


def _stock_value(held: Position) -> Decimal:
    """Return the absolute market value of a stock position; 0 for anything else."""
    if held.contract.sec_type is not SecType.STOCK or held.quantity == 0:
        return Decimal(0)
    value = finite(held.market_value_usd)
    if value is None:
        price = finite(held.market_price)
        if price is None:
            raise CashUnknownError("no_stock_value", f"{held.contract.symbol} shares have no value")
        value = price * held.quantity
    return abs(value)


def reducible(order: ReviewedOrder, portfolio: Portfolio, commitments: Commitments) -> Decimal:
    """Return how many contracts or shares `order` may still close without flipping the position.

    Never negative: |position| on the other side, less every possibly live closing order.
    """
    held = portfolio.quantity_of(order.contract)
    opposite = held if order.action is Action.SELL else -held
    return max(Decimal(0), opposite - commitments.closing_quantity)
