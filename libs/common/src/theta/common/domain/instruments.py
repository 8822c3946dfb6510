"""What can be traded: stocks and options, identified without the broker's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any


class SecType(StrEnum):
    """The broker's security types that this version handles."""

    STOCK = "STK"
    OPTION = "OPT"


class Right(StrEnum):
    """The right of an option."""

    PUT = "P"
    CALL = "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A stock or an option.

    `con_id` is the broker's number, `None` until it was resolved. For a stock `expiry`, `strike`
    and `right` are `None` and `multiplier` is 1. `multiplier` is shares per contract as the broker
    states it, never assumed.
    """

    symbol: str
    sec_type: SecType
    currency: str = "USD"
    exchange: str = "SMART"
    primary_exchange: str = ""
    con_id: int | None = None
    expiry: date | None = None
    strike: Decimal | None = None
    right: Right | None = None
    multiplier: int = 1
    trading_class: str = ""

    def __post_init__(self) -> None:
        if self.multiplier < 1:
            raise ValueError(
                f"multiplier of {self.symbol} is {self.multiplier}; it must be 1 or more"
            )
        option_fields = (self.expiry, self.strike, self.right)
        if self.sec_type is SecType.OPTION and None in option_fields:
            raise ValueError(f"an option on {self.symbol} needs expiry, strike and right")
        if self.sec_type is SecType.STOCK and any(field is not None for field in option_fields):
            raise ValueError(f"the stock {self.symbol} has no expiry, strike or right")

    @property
    def economic_key(self) -> tuple[str, str, str, str, str, str, int]:
        """Identity by terms, independent of con_id and route."""
        return (
            self.symbol,
            self.sec_type.value,
            self.currency,
            self.expiry.isoformat() if self.expiry else "",
            format(self.strike.normalize(), "f") if self.strike is not None else "",
            self.right.value if self.right else "",
            self.multiplier,
        )

    def describe(self) -> str:
        """Return a text for people, such as `SPY 2026-09-18 760 P`."""
        if self.sec_type is SecType.STOCK:
            return self.symbol
        assert self.expiry is not None
        assert self.strike is not None
        assert self.right is not None
        strike = format(self.strike.normalize(), "f")
        return f"{self.symbol} {self.expiry.isoformat()} {strike} {self.right.value}"

    def to_record(self) -> dict[str, Any]:
        """Return a JSON-ready mapping (Decimal and date as text). `from_record` inverts it."""
        return {
            "symbol": self.symbol,
            "sec_type": self.sec_type.value,
            "currency": self.currency,
            "exchange": self.exchange,
            "primary_exchange": self.primary_exchange,
            "con_id": self.con_id,
            "expiry": self.expiry.isoformat() if self.expiry else None,
            "strike": str(self.strike) if self.strike is not None else None,
            "right": self.right.value if self.right else None,
            "multiplier": self.multiplier,
            "trading_class": self.trading_class,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Contract:
        """Build from `to_record`'s mapping.

        Raises KeyError or ValueError when a field is missing or malformed.
        """
        return cls(
            symbol=record["symbol"],
            sec_type=SecType(record["sec_type"]),
            currency=record["currency"],
            exchange=record["exchange"],
            primary_exchange=record.get("primary_exchange") or "",
            con_id=record.get("con_id"),
            expiry=date.fromisoformat(record["expiry"]) if record.get("expiry") else None,
            strike=Decimal(record["strike"]) if record.get("strike") is not None else None,
            right=Right(record["right"]) if record.get("right") else None,
            multiplier=int(record["multiplier"]),
            trading_class=record.get("trading_class") or "",
        )


def stock(symbol: str, *, primary_exchange: str = "", currency: str = "USD") -> Contract:
    """Return the SMART-routed stock `symbol`."""
    return Contract(
        symbol=symbol,
        sec_type=SecType.STOCK,
        currency=currency,
        primary_exchange=primary_exchange,
    )
