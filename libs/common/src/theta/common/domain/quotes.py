"""What the market showed for one contract, with absence spelled `None`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum

from theta.common.domain.instruments import Contract


class MarketDataType(IntEnum):
    """The broker's market-data types; only LIVE may price an order."""

    LIVE = 1
    FROZEN = 2
    DELAYED = 3
    DELAYED_FROZEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One contract's newest ticks. Prices per share, positive; sizes in contracts or shares.

    `None` means that the broker did not say, or said a sentinel. `at` is the market time of the
    newest price tick, `None` when no price ever came. `model_price` and the greeks are the broker's
    model computation for an option: `delta` is signed (puts negative), per share of the underlying.
    """

    contract: Contract
    at: datetime | None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    last: Decimal | None = None
    close: Decimal | None = None
    model_price: Decimal | None = None
    implied_volatility: Decimal | None = None
    delta: Decimal | None = None
    gamma: Decimal | None = None
    vega: Decimal | None = None
    theta: Decimal | None = None
    underlying_price: Decimal | None = None
    open_interest: int | None = None
    data_type: MarketDataType = MarketDataType.LIVE
    trusted: bool = True
    """False while a data farm is down or no fresh tick came since it returned."""

    def has_two_sides(self) -> bool:
        """Tell whether bid and ask are present, positive, uncrossed, with displayed size."""
        if self.bid is None or self.ask is None or not 0 < self.bid <= self.ask:
            return False
        return bool(self.bid_size and self.bid_size > 0 and self.ask_size and self.ask_size > 0)

    def midpoint(self) -> Decimal | None:
        """Return (bid + ask) / 2, or `None` unless both sides are good."""
        if not self.has_two_sides():
            return None
        assert self.bid is not None
        assert self.ask is not None
        return (self.bid + self.ask) / 2

    def market_price(self) -> Decimal | None:
        """Return `last` if within good sides, else the midpoint, else `last`, else `None`."""
        middle = self.midpoint()
        if middle is None:
            return self.last
        assert self.bid is not None
        assert self.ask is not None
        if self.last is not None and self.bid <= self.last <= self.ask:
            return self.last
        return middle

    def mid_price(self) -> Decimal | None:
        """Return the midpoint, else the model price when no market price exists, else the market
        price.
        """
        middle = self.midpoint()
        if middle is not None:
            return middle
        market = self.market_price()
        return market if market is not None else self.model_price
