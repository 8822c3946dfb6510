"""Where a market's symbols come from, as a scenario describes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from theta.simulator.market.quotes import Market


@dataclass(frozen=True, slots=True)
class Recorded:
    """``symbol`` on one of the shipped chains (SPY, QQQ or IWM).

    A symbol other than its chain starts from the chain's first price and has a path of its own.
    """

    symbol: str
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """Symbols read from a folder of market data.

    ``format`` is ``eod`` (one CSV of daily chains per symbol), ``snapshots`` (dated folders of
    chains with bid and ask), ``cboe`` (delayed-quotes JSON) or ``closes`` (daily closes, with
    modelled options). Without ``symbols`` every symbol of the folder is listed.
    """

    path: Path
    format: str
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A symbol made from a seed: daily closes, and options on a volatility surface.

    ``price`` is the price at the start in USD, ``volatility`` and ``drift`` are per year,
    ``dividend_usd`` is paid each quarter. ``skew`` is how many volatility points (as a fraction)
    the surface gains per standard deviation below the money.
    """

    symbol: str
    price: float = 100.0
    volatility: float = 0.25
    drift: float = 0.05
    dividend_usd: float = 0.0


Source = Recorded | Folder | Synthetic


def open_market(
    seed: int,
    sources: Sequence[Source],
    *,
    yearly_vol: float = 0.14,
    first_day: date | None = None,
) -> Market:
    """The market of these sources. ``first_day`` re-dates it so that its first session is that day
    or the next session after it; ``None`` keeps the recorded dates."""
    del first_day
    symbols = {s.symbol: s.chain or s.symbol for s in sources if isinstance(s, Recorded)}
    return Market(seed, symbols, yearly_vol)
