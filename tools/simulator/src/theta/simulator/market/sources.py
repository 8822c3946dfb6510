"""Where a market's symbols come from, as a scenario describes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from theta.simulator.errors import ScenarioError
from theta.simulator.market import assembly, calendar, chains, folders, pricing
from theta.simulator.market.assembly import Listed
from theta.simulator.market.events import PLANS, DividendPlan
from theta.simulator.market.quotes import Market
from theta.simulator.market.recording import Recording
from theta.simulator.market.redating import (
    Redating,
    first_session,
    mapped_closes,
    redated,
    session_from,
)
from theta.simulator.market.synthetic import Listing, Surface
from theta.simulator.market.underlyings import NICKEL, PENNY, PILOT, underlying

FORMATS = ("eod", "snapshots", "cboe", "closes")
_QUARTERS = (3, 6, 9, 12)


@dataclass(frozen=True, slots=True)
class Recorded:
    """``symbol`` on one of the shipped chains (SPY, QQQ or IWM).

    A symbol other than its chain starts from the chain's first price and has a path of its own;
    SPX and XSP are ten times and once the chain's price, VIX is a volatility index that moves
    against it.
    """

    symbol: str
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """Symbols read from a folder of market data.

    ``format`` is ``eod`` (one CSV of daily chains per symbol and ``underlying_prices.csv``),
    ``snapshots`` (dated folders of chains with bid and ask), ``cboe`` (delayed-quotes JSON) or
    ``closes`` (daily closes, with modelled options). Without ``symbols`` every symbol of the folder
    is listed. ``first_date`` (YYYY-MM-DD) is the first session of the window of closes: earlier
    ones are history, and re-dating moves it.
    """

    path: Path
    format: str
    symbols: tuple[str, ...] = ()
    first_date: str = ""


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A symbol made from a seed: daily closes, and options on a volatility surface.

    ``price`` is the price at the start in USD, ``volatility`` and ``drift`` are per year,
    ``dividend_usd`` is paid each quarter. ``long_volatility`` is that of far expiries (0: the
    same). ``skew`` is how much volatility (as a fraction) the surface gains per standard deviation
    below the money. Options are listed for ``weeks`` weeks and ``months`` months ahead, ``strikes``
    on each side of the price, ``strike_step`` USD apart (0: by the price). ``ticks`` is ``penny``
    (0.01), ``pilot`` (0.01, from USD 3 on 0.05) or ``nickel`` (0.05, from USD 3 on 0.10).
    """

    symbol: str
    price: float = 100.0
    volatility: float = 0.25
    drift: float = 0.05
    dividend_usd: float = 0.0
    long_volatility: float = 0.0
    skew: float = 0.035
    weeks: int = 2
    months: int = 3
    strikes: int = 10
    strike_step: float = 0.0
    ticks: str = PILOT


Source = Recorded | Folder | Synthetic


def open_market(
    seed: int,
    sources: Sequence[Source],
    *,
    yearly_vol: float = 0.14,
    first_day: date | None = None,
    start: float | None = None,
    rate: float = pricing.RATE,
) -> Market:
    """The market of these sources.

    ``first_day`` re-dates it so that its first session is that day or the next session after it;
    ``None`` keeps the recorded dates. ``start`` is the instant at which synthetic symbols have
    their price, by default the close before the first session. Raises ``ScenarioError`` when data
    cannot be read or understood.
    """
    listed: list[Listed] = []
    for source in sources:
        if isinstance(source, Recorded):
            listed.append(_recorded(source, yearly_vol, first_day))
        elif isinstance(source, Folder):
            listed += _folder(source, yearly_vol, first_day)
        else:
            listed.append(_synthetic(source, first_day, start))
    return Market(seed, listed, yearly_vol, rate)


def _recorded(source: Recorded, yearly_vol: float, first_day: date | None) -> Listed:
    chain = source.chain or source.symbol

    def read() -> Recording:
        return _moved(chains.recording(chain), first_day)

    return assembly.recorded(source.symbol, read, chain, yearly_vol)


def _moved(recording: Recording, first_day: date | None) -> Recording:
    if first_day is None:
        return recording
    return redated(recording, Redating.to(first_session(recording), first_day))


def _folder(source: Folder, yearly_vol: float, first_day: date | None) -> list[Listed]:
    if source.format == "closes":
        return _closes(source, first_day)
    readers: dict[str, Callable[[Path], dict[str, Callable[[], Recording]]]] = {
        "eod": folders.eod,
        "snapshots": folders.snapshots,
        "cboe": folders.cboe,
    }
    if source.format not in readers:
        raise ScenarioError(
            f"The format {source.format!r} of {source.path} is none of {', '.join(FORMATS)}."
        )
    found = readers[source.format](source.path)
    return [
        assembly.recorded(symbol, _opener(found[symbol], first_day), symbol, yearly_vol)
        for symbol in _chosen(source, found)
    ]


def _opener(read: Callable[[], Recording], first_day: date | None) -> Callable[[], Recording]:
    return lambda: _moved(read(), first_day)


def _chosen(source: Folder, found: Mapping[str, object]) -> tuple[str, ...]:
    for symbol in source.symbols:
        if symbol not in found:
            raise ScenarioError(
                f"The folder {source.path} has no {symbol}; it has {', '.join(sorted(found)[:20])}."
            )
    return source.symbols or tuple(found)


def _closes(source: Folder, first_day: date | None) -> list[Listed]:
    found = folders.closes(source.path)
    first: date | None = None
    if source.first_date:
        try:
            first = date.fromisoformat(source.first_date)
        except ValueError:
            raise ScenarioError(
                f"The first_date {source.first_date!r} of {source.path} is not YYYY-MM-DD."
            ) from None
    return [
        assembly.from_closes(
            underlying(symbol),
            _window(found[symbol], first, first_day),
            Listing(weeks=8, months=4, each_side=20),
            PLANS.get(symbol),
        )
        for symbol in _chosen(source, found)
    ]


def _window(
    read: Callable[[], folders.Closes], first: date | None, first_day: date | None
) -> Callable[[], tuple[Mapping[date, float], Mapping[date, float]]]:
    """Reads closes and parts them into those before the window and those in it."""

    def parted() -> tuple[Mapping[date, float], Mapping[date, float]]:
        closes = read()
        by_day = dict(closes.by_day)
        begins = first or min(by_day)
        if not any(day >= begins for day in by_day):
            raise ScenarioError(f"There is no close of {closes.symbol} on or after {begins}.")
        begins = min(day for day in by_day if day >= begins)
        if first_day is not None:
            redating = Redating.to(begins, first_day)
            by_day, begins = mapped_closes(by_day, redating), redating.new
        past = {day: price for day, price in by_day.items() if day < begins}
        window = {day: price for day, price in by_day.items() if day >= begins}
        return past, dict(sorted(window.items()))

    return parted


def _synthetic(source: Synthetic, first_day: date | None, start: float | None) -> Listed:
    if source.ticks not in (PENNY, PILOT, NICKEL):
        raise ScenarioError(
            f"The ticks {source.ticks!r} of {source.symbol} are none of {PENNY}, {PILOT}, {NICKEL}."
        )
    at = start
    if at is None:
        day = first_day or calendar.trading_date(chains.snapshots()[0].taken_at)
        before = calendar.previous_session_day(session_from(day))
        at = (calendar.session(before) or (0.0, 0.0))[1]
    surface = Surface(source.volatility, source.long_volatility or source.volatility, source.skew)
    plan = DividendPlan(source.dividend_usd, _QUARTERS, 15) if source.dividend_usd > 0 else None
    return assembly.synthetic(
        underlying(source.symbol, ticks=source.ticks),
        at,
        source.price,
        surface,
        Listing(source.weeks, source.months, source.strikes, source.strike_step),
        drift=source.drift,
        plan=plan,
    )
