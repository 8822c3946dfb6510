"""The shipped option chains as a market: quotes with greeks, for tests that need real prices.

Greeks come from Black–Scholes without carry on the quoted midpoint: written here on its own, so
that a test does not share arithmetic with what it tests.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib import resources

from theta.common.domain.instruments import Contract, Right, SecType, stock
from theta.common.domain.quotes import Quote

DAY = "2026-08-19"
SYMBOLS = ("SPY", "QQQ", "IWM")
_SIZE = Decimal(10)


@dataclass(frozen=True)
class Row:
    bid: Decimal
    ask: Decimal
    open_interest: int


@dataclass(frozen=True)
class ShippedChain:
    """Puts of one underlying at one moment."""

    symbol: str
    at: datetime
    price: Decimal
    close: Decimal
    puts: Mapping[tuple[date, Decimal], Row]

    @property
    def expirations(self) -> tuple[date, ...]:
        return tuple(sorted({expiry for expiry, _ in self.puts}))

    @property
    def strikes(self) -> tuple[Decimal, ...]:
        return tuple(sorted({strike for _, strike in self.puts}))

    def underlying_quote(self, at: datetime | None = None) -> Quote:
        cent = Decimal("0.01")
        return Quote(
            contract=stock(self.symbol),
            at=at or self.at,
            bid=self.price - cent,
            ask=self.price + cent,
            bid_size=_SIZE,
            ask_size=_SIZE,
            last=self.price,
            close=self.close,
        )

    def put_quote(self, contract: Contract, at: datetime | None = None) -> Quote | None:
        """Return the put's quote, `None` when the chain has no such contract."""
        assert contract.expiry is not None
        assert contract.strike is not None
        row = self.puts.get((contract.expiry, contract.strike))
        if row is None or contract.right is not Right.PUT:
            return None
        middle = float(row.bid + row.ask) / 2
        days = max((contract.expiry - self.at.date()).days, 1)
        greeks = implied(float(self.price), float(contract.strike), days / 365, middle)
        return Quote(
            contract=contract,
            at=at or self.at,
            bid=row.bid or None,
            ask=row.ask or None,
            bid_size=_SIZE,
            ask_size=_SIZE,
            model_price=None if greeks is None else _decimal(middle),
            implied_volatility=None if greeks is None else _decimal(greeks[0]),
            delta=None if greeks is None else _decimal(greeks[1]),
            underlying_price=self.price,
            open_interest=row.open_interest,
        )


@cache
def shipped(symbol: str, day: str = DAY) -> ShippedChain:
    folder = resources.files("theta.simulator") / "data" / "chains" / day
    meta = json.loads((folder / "meta.json").read_text())
    ticker = meta["tickers"][symbol]
    puts = {}
    with gzip.open(str(folder / f"{symbol}.csv.gz"), "rt") as lines:
        for row in csv.DictReader(lines):
            if row["type"] != "P" or not row["bid"] or not row["ask"]:
                continue
            key = (date.fromisoformat(row["expiry"]), _strike(row["strike"]))
            puts[key] = Row(
                bid=Decimal(row["bid"]),
                ask=Decimal(row["ask"]),
                open_interest=int(float(row["openInterest"] or 0)),
            )
    return ShippedChain(
        symbol=symbol,
        at=datetime.fromisoformat(meta["utc"]),
        price=Decimal(f"{ticker['spot_live']:.2f}"),
        close=Decimal(f"{ticker['spot']:.2f}"),
        puts=puts,
    )


def option(symbol: str, expiry: date, strike: Decimal, multiplier: int = 100) -> Contract:
    return Contract(
        symbol=symbol,
        sec_type=SecType.OPTION,
        expiry=expiry,
        strike=strike,
        right=Right.PUT,
        multiplier=multiplier,
        trading_class=symbol,
    )


def implied(
    price: float, strike: float, years: float, premium: float
) -> tuple[float, float] | None:
    """Return (volatility, delta) of a put; `None` when no volatility explains the premium."""
    if not max(strike - price, 0) < premium < strike:
        return None
    low, high = 1e-3, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        if _put(price, strike, years, middle) < premium:
            low = middle
        else:
            high = middle
    return low, _cdf(_d1(price, strike, years, low)) - 1


def _put(price: float, strike: float, years: float, volatility: float) -> float:
    d1 = _d1(price, strike, years, volatility)
    d2 = d1 - volatility * math.sqrt(years)
    return strike * _cdf(-d2) - price * _cdf(-d1)


def _d1(price: float, strike: float, years: float, volatility: float) -> float:
    root = volatility * math.sqrt(years)
    return (math.log(price / strike) + root * root / 2) / root


def _cdf(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def _decimal(value: float) -> Decimal:
    return Decimal(f"{value:.6f}")


def _strike(text: str) -> Decimal:
    number = Decimal(text)
    whole = number.to_integral_value()
    return whole if number == whole else number.normalize()
