"""What a run gathered before it decides: values only, absence spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from theta.common.domain.calendar import Session
from theta.common.domain.decisions import Reason
from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.orders import TradingState
from theta.common.domain.portfolio import PendingOrder, Portfolio
from theta.common.domain.quotes import MarketDataType, Quote

ContractKey = tuple[str, str, str, str, str, str, int]
"""`Contract.economic_key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """An option chain. `strikes` are those of all expiries together, so a pair may not exist."""

    symbol: str
    currency: str
    exchange: str
    trading_class: str
    multiplier: int
    expirations: tuple[date, ...]
    strikes: tuple[Decimal, ...]
    min_tick: Decimal

    def put(self, expiry: date, strike: Decimal) -> Contract:
        """Return the put of these terms, with the chain's own multiplier and trading class."""
        return Contract(
            symbol=self.symbol,
            sec_type=SecType.OPTION,
            currency=self.currency,
            exchange=self.exchange,
            expiry=expiry,
            strike=strike,
            right=Right.PUT,
            multiplier=self.multiplier,
            trading_class=self.trading_class,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenQuote:
    """A quote and the market time of the answer that held it; its age is judged against that."""

    quote: Quote
    answered_at: datetime

    def is_fresh(self, age_max: timedelta) -> bool:
        """Tell whether a trusted price tick came within `age_max` before the answer."""
        at = self.quote.at
        return self.quote.trusted and at is not None and self.answered_at - at <= age_max

    def is_live(self) -> bool:
        """Tell whether it is neither delayed nor frozen."""
        return self.quote.data_type is MarketDataType.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolMarket:
    """What was found about one symbol; `fault` says why something is missing, where known."""

    underlying: SeenQuote | None = None
    chain: Chain | None = None
    closes: tuple[Decimal, ...] = ()
    """Daily closes, oldest first; the last may be of the session still open."""
    fault: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that a decision is made of."""

    portfolio: Portfolio
    pending: tuple[PendingOrder, ...] = ()
    """Remainders that may still fill (ours and foreign), and fills the portfolio does not show."""
    markets: Mapping[str, SymbolMarket] = field(default_factory=dict)
    options: Mapping[ContractKey, SeenQuote] = field(default_factory=dict)
    unknown: frozenset[ContractKey] = frozenset()
    """Contracts that the broker said it does not have."""
    trading: Mapping[str, TradingState] = field(default_factory=dict)
    """Strictest state covering each symbol; a symbol that is missing is halted."""
    session: Session | None = None
    """The session open at market time, `None` when the exchange is closed."""
