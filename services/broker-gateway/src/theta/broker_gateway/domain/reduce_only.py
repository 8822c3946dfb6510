"""How much of an order reduces risk by size (order-protocol §4)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.orders import Action
from theta.common.domain.portfolio import Portfolio


def closing_room(
    portfolio: Portfolio,
    contract: Contract,
    action: Action,
    pending_closing: Iterable[int],
) -> Decimal:
    """Return the largest quantity of `action` on `contract` that only reduces the holding.

    |position| less every possibly-live closing order on it; shares that cover short calls are not
    for sale. 0 when the order would not reduce anything.
    """
    held = portfolio.quantity_of(contract)
    if contract.sec_type is SecType.STOCK and held > 0:
        held = max(Decimal(0), held - _covered_shares(portfolio, contract.symbol))
    reduces = (held > 0 and action is Action.SELL) or (held < 0 and action is Action.BUY)
    if not reduces:
        return Decimal(0)
    return max(Decimal(0), abs(held) - sum(pending_closing))


def _covered_shares(portfolio: Portfolio, symbol: str) -> Decimal:
    return sum(
        (
            -position.quantity * position.contract.multiplier
            for position in portfolio.positions
            if position.contract.symbol == symbol
            and position.contract.right is Right.CALL
            and position.quantity < 0
        ),
        Decimal(0),
    )
