"""What a person asks of the wheel, resolved per symbol: what the decisions read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteThreshold:
    """The least move of a day, as a ratio of the close or in standard deviations; one is `None`."""

    ratio: Decimal | None = None
    sigma: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPolicy:
    """How puts are written on one symbol. Ratios 0 to 1, prices per share."""

    symbol: str
    primary_exchange: str
    weight: Decimal
    delta_max: Decimal
    """Highest absolute delta; a hard limit."""
    dte_min: int
    dte_max: int | None
    on_green: bool
    on_red: bool
    threshold: WriteThreshold
    strike_limit: Decimal | None
    no_trading: bool
    rebalance_buys: bool
    """The rebalance mode buys shares, so no puts are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelPolicy:
    """The wheel of one account."""

    account: str
    exchange: str
    margin_usage: Decimal
    symbols: tuple[PutPolicy, ...]
    expirations: int
    strikes: int
    minimum_credit: Decimal
    minimum_open_interest: int
    maximum_new_ratio: Decimal
    max_order_contracts: int
    net_long_puts: bool
    """Long puts offset short ones (`calculate_net_contracts`)."""
    stddev_days: int
    quote_age_max: timedelta
    ignore_hours: bool
    delay_after_open: timedelta
    delay_before_close: timedelta
