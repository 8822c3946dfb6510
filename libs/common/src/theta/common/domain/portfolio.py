"""The account as the broker reported it, and what our own orders would add to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from theta.common.domain.instruments import Contract, Right, SecType


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One holding. `quantity` is signed (short negative), in shares or contracts.

    `average_cost_usd` is per share for a stock and per contract (multiplier included) for an
    option, as the broker gives it. Market values may be `None` when the broker did not say.
    """

    contract: Contract
    quantity: Decimal
    average_cost_usd: Decimal | None
    market_price: Decimal | None = None
    market_value_usd: Decimal | None = None
    unrealised_pnl_usd: Decimal | None = None
    realised_pnl_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountValues:
    """The broker's account figures in the base currency. `None`: not reported."""

    currency: str
    net_liquidation: Decimal | None
    total_cash: Decimal | None
    buying_power: Decimal | None
    available_funds: Decimal | None = None
    excess_liquidity: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    cushion_ratio: Decimal | None = None
    look_ahead_excess_liquidity: Decimal | None = None
    """Excess liquidity after the next margin change that the broker knows of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """A complete account download.

    `market_at` is the market time of its completion; `complete` is False when any part of the
    download did not end, and such a portfolio decides nothing.
    """

    account: str
    market_at: datetime
    values: AccountValues
    positions: tuple[Position, ...]
    complete: bool

    def quantity_of(self, contract: Contract) -> Decimal:
        """Return the signed holding of `contract` by its terms; 0 when not held."""
        key = contract.economic_key
        return sum(
            (held.quantity for held in self.positions if held.contract.economic_key == key),
            Decimal(0),
        )

    def shares_of(self, symbol: str) -> Decimal:
        """Return the signed number of shares of `symbol` held as stock (all rows added)."""
        return sum(
            (
                held.quantity
                for held in self.positions
                if held.contract.symbol == symbol and held.contract.sec_type is SecType.STOCK
            ),
            Decimal(0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOrder:
    """The unfilled, possibly live remainder of one order, ours or foreign, for exposure."""

    contract: Contract
    quantity_signed: int
    """Contracts or shares still to trade; selling negative."""
    foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Short option contracts and their shares per symbol, held plus pending (order-protocol §3)."""

    short_put_shares: Mapping[str, Decimal] = field(default_factory=dict)
    """Shares that short puts would assign, per symbol: contracts × multiplier. Never negative."""
    short_put_assignment_usd: Decimal = Decimal(0)
    """strike × multiplier × contracts over all short puts."""


def exposure_of(positions: Iterable[Position], pending: Iterable[PendingOrder]) -> Exposure:
    """Return short-put exposure of holdings plus every possibly live selling order.

    A pending purchase of a put does not reduce exposure: it may never fill.
    """
    shares: dict[str, Decimal] = {}
    assignment = Decimal(0)
    rows = [(held.contract, held.quantity) for held in positions]
    rows += [(order.contract, Decimal(order.quantity_signed)) for order in pending]
    for contract, quantity in rows:
        if contract.right is not Right.PUT or quantity >= 0:
            continue
        assert contract.strike is not None
        short_shares = -quantity * contract.multiplier
        shares[contract.symbol] = shares.get(contract.symbol, Decimal(0)) + short_shares
        assignment += short_shares * contract.strike
    return Exposure(short_put_shares=shares, short_put_assignment_usd=assignment)
