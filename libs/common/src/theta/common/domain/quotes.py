"""What the market showed for one contract, with absence spelled `None`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any

from theta.common.domain.instruments import Contract
from theta.common.domain.money import finite

_RECORDED_NUMBERS = ("bid", "ask", "bid_size", "ask_size", "last", "delta", "underlying_price")


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

    def to_record(self) -> dict[str, Any]:
        """Return what an intent keeps of the quote it was priced on, JSON-ready.

        Prices and sizes as text, `at` as ISO 8601. `from_record` inverts it, given the contract.
        """
        numbers = {name: getattr(self, name) for name in _RECORDED_NUMBERS}
        return {
            **{name: None if value is None else str(value) for name, value in numbers.items()},
            "at": self.at.isoformat() if self.at else None,
            "data_type": self.data_type.value,
            "trusted": self.trusted,
        }

    @classmethod
    def from_record(cls, contract: Contract, record: Mapping[str, Any]) -> Quote:
        """Build from `to_record`'s mapping; what it does not name is absent, and not trusted.

        Raises KeyError, ValueError or ArithmeticError when a field is missing or malformed.
        """
        at = record.get("at")
        numbers: dict[str, Any] = {name: finite(record.get(name)) for name in _RECORDED_NUMBERS}
        return cls(
            contract=contract,
            at=datetime.fromisoformat(at) if at else None,
            data_type=MarketDataType(record["data_type"]),
            trusted=record.get("trusted") is True,
            **numbers,
        )

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
