"""Makes the source of a symbol when the market first needs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import log, sqrt
from typing import Protocol

from theta.simulator.market import calendar, chains
from theta.simulator.market.events import PLANS, DividendPlan, Events
from theta.simulator.market.model import OptionModel
from theta.simulator.market.path import DerivedPath, Path, PricePath
from theta.simulator.market.recorded import RecordedSource
from theta.simulator.market.recording import Recording
from theta.simulator.market.source import SymbolSource
from theta.simulator.market.synthetic import DerivedSource, Listing, Surface, SyntheticSource
from theta.simulator.market.underlyings import Underlying, underlying

_ALIAS_PINS = 2
_SCALES = {"SPX": 10.0, "XSP": 1.0}
_VOLATILITY_LEVEL, _VOLATILITY_POWER, _VOLATILITY_LIMITS = 17.0, -6.0, (9.0, 90.0)


class Context(Protocol):
    """What an opener may use of the market it opens a source for."""

    seed: int
    events: Events
    model: OptionModel

    def source(self, symbol: str) -> SymbolSource | None:
        """The source of another symbol of the market; ``None`` when it has none."""


Opener = Callable[[Context], SymbolSource]


@dataclass(frozen=True, slots=True)
class Listed:
    """One symbol of a market: what it is, its dividends, and how to open its source."""

    under: Underlying
    open: Opener
    plan: DividendPlan | None = None


def recorded(
    symbol: str, recording: Callable[[], Recording], chain: str, yearly_vol: float
) -> Listed:
    """``symbol`` on a recording of ``chain``: the recorded prices for the chain's own symbol, a
    seeded path from its first price for another one. SPX, XSP and VIX become indexes on it."""
    under = underlying(symbol, like=chain)
    if under.is_index:
        return Listed(under, lambda context: _index(context, symbol, recording, chain, yearly_vol))

    def open_it(context: Context) -> SymbolSource:
        return _recorded_source(context, symbol, recording(), yearly_vol)

    return Listed(under, open_it, PLANS.get(chain))


def _recorded_source(
    context: Context, symbol: str, recording: Recording, yearly_vol: float
) -> RecordedSource:
    own = symbol == recording.symbol
    pins = recording.pins if own else recording.pins[:_ALIAS_PINS]
    path = PricePath(context.seed, symbol, pins, yearly_vol, past=recording.past)
    _follow_events(context, symbol, path)
    # The chain's forwards are those of the symbol it was recorded on.
    return RecordedSource(recording, context.model.economics(symbol), path)


def _follow_events(context: Context, symbol: str, path: PricePath) -> None:
    events = context.events
    path.actions = lambda after, until: events.actions(after, until, symbol)
    events.listeners.append(path.forget)


def _index(
    context: Context,
    symbol: str,
    recording: Callable[[], Recording],
    chain: str,
    yearly_vol: float,
) -> SymbolSource:
    found = context.source(chain)
    base = found or _recorded_source(context, chain, recording(), yearly_vol)
    if symbol == "VIX":
        return _volatility_index(context, base, chain)
    scale = _SCALES[symbol]
    width = 5.0 if scale > 1 else 1.0
    listing = Listing(weeks=26, months=4, each_side=60, width=width)
    classes = {"SPX": "monthly", "SPXW": "all", "XSP": "all"}
    path = DerivedPath(base.path, scale)
    return DerivedSource(base, path, scale, listing, classes, follows=(chain, 1.0))


def _volatility_index(context: Context, base: SymbolSource, chain: str) -> SymbolSource:
    path = DerivedPath(base.path, _VOLATILITY_LEVEL, _VOLATILITY_POWER, _VOLATILITY_LIMITS)
    surface = SyntheticSource(
        context.seed, "VIX", path, Surface(1.10, 0.60, -0.06), Listing(width=1.0)
    )
    listing = Listing(weeks=26, months=5, each_side=12, width=1.0)
    classes = {"VIX": "volatility", "VIXW": "volatility"}
    follows = (chain, _VOLATILITY_POWER)
    return DerivedSource(surface, path, 1.0, listing, classes, follows=follows)


def shipped(symbols: Mapping[str, str], yearly_vol: float) -> list[Listed]:
    """Symbols on the chains that come with the package, by the chain they use."""
    return [
        recorded(symbol, lambda chain=chain: chains.recording(chain), chain, yearly_vol)  # type: ignore[misc]  # mypy infers no lambda with a default
        for symbol, chain in symbols.items()
    ]


def synthetic(
    under: Underlying,
    start: float,
    price: float,
    surface: Surface,
    listing: Listing,
    *,
    drift: float = 0.0,
    plan: DividendPlan | None = None,
) -> Listed:
    """A seeded symbol at ``price`` at ``start``."""

    def open_it(context: Context) -> SymbolSource:
        vol = sqrt(surface.short * surface.long)
        path = PricePath(context.seed, under.symbol, [(start, price)], vol, drift=drift)
        _follow_events(context, under.symbol, path)
        return SyntheticSource(context.seed, under.symbol, path, surface, listing)

    return Listed(under, open_it, plan)


def from_closes(
    under: Underlying,
    read: Callable[[], tuple[Mapping[date, float], Mapping[date, float]]],
    listing: Listing,
    plan: DividendPlan | None = None,
) -> Listed:
    """A symbol on daily closes; ``read`` gives those before the window and those in it."""

    def open_it(context: Context) -> SymbolSource:
        past, window = read()
        pins = [((calendar.session(day) or (0.0, 0.0))[1], p) for day, p in window.items()]
        vol = _realized([*past.values()][-252:] + [*window.values()][:252])
        path: Path = _closes_path(context, under.symbol, pins, vol, past)
        surface = Surface(vol, vol, 0.035, realized=True)
        return SyntheticSource(context.seed, under.symbol, path, surface, listing)

    return Listed(under, open_it, plan)


def _closes_path(
    context: Context,
    symbol: str,
    pins: list[tuple[float, float]],
    vol: float,
    past: Mapping[date, float],
) -> PricePath:
    path = PricePath(context.seed, symbol, pins, vol, past=past)
    _follow_events(context, symbol, path)
    return path


def _realized(closes: list[float]) -> float:
    moves = [log(b / a) for a, b in pairwise(closes)]
    if not moves:
        return 0.25
    found = sqrt(252.0 * sum(move * move for move in moves) / len(moves))
    return min(2.0, max(0.06, found))
