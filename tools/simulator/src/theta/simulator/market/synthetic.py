"""Source over daily closes alone: options on a modelled volatility surface."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise
from math import exp, log, sqrt

from theta.simulator.market import calendar, pricing, schedule
from theta.simulator.market.path import Path
from theta.simulator.market.recording import Chain, Key, Slice, day_of, mixed
from theta.simulator.market.smile import skewed
from theta.simulator.market.source import Line, SymbolSource
from theta.simulator.randomness import gauss

_TENORS = tuple(days / 365.0 for days in (1, 4, 8, 15, 30, 60, 120, 250, 500, 1000))
_REALIZED_SESSIONS = 21
_VOL_LIMITS = (0.05, 3.0)


@dataclass(frozen=True, slots=True)
class Surface:
    """The shape of a volatility surface.

    ``short`` and ``long`` are at-the-money volatilities of the nearest and of far expiries,
    ``skew`` what one standard deviation below the money adds. ``realized`` makes the level follow
    the closes of the last month instead of staying at ``short``.
    """

    short: float
    long: float
    skew: float
    realized: bool = False

    def at_the_money(self, years: float) -> float:
        return self.long + (self.short - self.long) * exp(-years / 0.25)


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed: weekly expiries for ``weeks`` weeks, standard ones for ``months`` months, and
    ``each_side`` strikes below and above the price, ``width`` apart (0: by the price)."""

    weeks: int = 2
    months: int = 3
    each_side: int = 10
    width: float = 0.0
    days: int = 0


class SyntheticSource:
    """One symbol on ``path`` with options on ``surface``."""

    def __init__(
        self, seed: int, symbol: str, path: Path, surface: Surface, listing: Listing
    ) -> None:
        self.path = path
        self._seed = seed
        self._symbol = symbol
        self.follows: tuple[str, float] | None = None
        self.known_from = 0.0
        self._surface = surface
        self._listing = listing
        self._slices: dict[int, Slice] = {}
        self._strikes = lru_cache(maxsize=512)(self._strikes_on)
        self._level = lru_cache(maxsize=256)(self._level_on)

    def chain(self, epoch: float) -> Chain | None:
        """None: nothing was recorded."""
        del epoch
        return None

    def expiries(self, epoch: float, option_class: str) -> Sequence[str]:
        """Weekly and standard expiries ahead."""
        del option_class
        item = self._listing
        listed = schedule.expiries(calendar.trading_date(epoch), item.weeks, item.months, item.days)
        return [expiry for expiry in listed if calendar.expiry_instant(expiry) > epoch]

    def lines(self, expiry: str, epoch: float, shift: float) -> Sequence[tuple[float, str]]:
        """Both rights at every strike around the closes since the expiry was listed."""
        monday = schedule.monday_of(calendar.trading_date(epoch))
        return [(k, right) for k in self._strikes(expiry, monday, shift) for right in ("C", "P")]

    def _weeks(self, expiry: str) -> int:
        months = self._listing.months * 31 // 7 + 2
        return months if schedule.is_month_expiry(day_of(expiry)) else self._listing.weeks

    def _strikes_on(self, expiry: str, until: date, shift: float) -> tuple[float, ...]:
        days = schedule.anchors(day_of(expiry), until, self._weeks(expiry))
        closes = [self.path.unsplit_close(day) for day in days]
        prices = [*closes, *(close * shift for close in closes)] if shift != 1.0 else closes
        width = self._listing.width or schedule.step(closes[0])
        return schedule.grid(prices, width, self._listing.each_side)

    def lists(self, key: Key, epoch: float, shift: float) -> bool:
        """Whether the grid of the expiry has the strike."""
        expiry, strike, right = key
        return (strike, right) in self.lines(expiry, epoch, shift)

    def knows(self, option_class: str, key: Key) -> bool:
        """Whether the schedule lists the expiry and the grid the strike on the day before it."""
        del option_class
        expiry, strike, _ = key
        day = day_of(expiry)
        if not (schedule.is_week_expiry(day) or schedule.is_month_expiry(day)):
            return False
        near = calendar.start_of(day)
        return any(strike == listed for listed, _ in self.lines(expiry, near, 1.0))

    def line(self, key: Key, epoch: float) -> Line:
        """The surface at the key's time to expiry."""
        years = max(0.0, calendar.expiry_instant(key[0]) - epoch) / pricing.YEAR_SECONDS
        place = bisect_right(_TENORS, years)
        around = [self._slice(i) for i in (place - 1, place) if 0 <= i < len(_TENORS)]
        near, far, weight = mixed(around, years)
        return Line(near, far, weight, level=self._level(calendar.trading_date(epoch)))

    def _slice(self, place: int) -> Slice:
        if place not in self._slices:
            surface, years = self._surface, _TENORS[place]
            smile = skewed(surface.at_the_money(years), surface.skew, 2.0 * years)
            self._slices[place] = Slice(smile, years, 0.0)
        return self._slices[place]

    def _level_on(self, day: date) -> float:
        """What that day makes of the surface's volatility."""
        noise = exp(0.03 * gauss(self._seed, "level", self._symbol, day))
        if not self._surface.realized:
            return noise
        days = calendar.session_days_back(calendar.previous_session_day(day), _REALIZED_SESSIONS)
        closes = [self.path.unsplit_close(one) for one in days]
        moves = [log(b / a) for a, b in pairwise(closes)]
        realized = sqrt(252.0 * sum(move * move for move in moves) / len(moves))
        low, high = _VOL_LIMITS
        return noise * min(high, max(low, 1.05 * realized)) / self._surface.short


class DerivedSource:
    """An index whose options stand on another source's surface, ``scale`` times as large.

    ``classes`` say which expiries a class lists: ``monthly`` the standard ones, ``all`` every one
    of the base, ``volatility`` those of a volatility index.
    """

    def __init__(
        self,
        base: SymbolSource,
        path: Path,
        scale: float,
        listing: Listing,
        classes: dict[str, str],
        follows: tuple[str, float] | None = None,
    ) -> None:
        self.follows = follows
        self.known_from = base.known_from
        self.path = path
        self._base = base
        self._scale = scale
        self._listing = listing
        self._classes = classes
        self._strikes = lru_cache(maxsize=512)(self._strikes_on)

    def chain(self, epoch: float) -> Chain | None:
        """None: the base's chain has another scale."""
        del epoch
        return None

    def expiries(self, epoch: float, option_class: str) -> Sequence[str]:
        """The expiries of one class, by its kind."""
        kind = self._classes.get(option_class, "all")
        day = calendar.trading_date(epoch)
        if kind == "volatility":
            listed: Sequence[str] = schedule.volatility_expiries(day, self._listing.months)
            return [e for e in listed if calendar.expiry_instant(e) > epoch]
        listed = self._base.expiries(epoch, "")
        if kind == "monthly":
            listed = [e for e in listed if schedule.is_month_expiry(day_of(e))]
        return listed

    def lines(self, expiry: str, epoch: float, shift: float) -> Sequence[tuple[float, str]]:
        """A grid of strikes around the index."""
        monday = schedule.monday_of(calendar.trading_date(epoch))
        return [(k, right) for k in self._strikes(expiry, monday, shift) for right in ("C", "P")]

    def _strikes_on(self, expiry: str, until: date, shift: float) -> tuple[float, ...]:
        days = schedule.anchors(day_of(expiry), until, self._listing.weeks)
        closes = [self.path.unsplit_close(day) for day in days]
        prices = [*closes, *(close * shift for close in closes)] if shift != 1.0 else closes
        width, each = self._listing.width, self._listing.each_side
        near, far = schedule.grid(prices, width, each), schedule.grid(prices, 5 * width, each)
        return tuple(sorted({*near, *far}))

    def lists(self, key: Key, epoch: float, shift: float) -> bool:
        """Whether the grid of the expiry has the strike."""
        expiry, strike, right = key
        return (strike, right) in self.lines(expiry, epoch, shift)

    def knows(self, option_class: str, key: Key) -> bool:
        """Whether the class lists the expiry and the grid the strike on the day before it."""
        expiry, strike, _ = key
        near = calendar.start_of(day_of(expiry))
        listed = self.expiries(near, option_class)
        return expiry in listed and any(strike == k for k, _ in self.lines(expiry, near, 1.0))

    def line(self, key: Key, epoch: float) -> Line:
        """The base's surface, without its quotes."""
        expiry, strike, right = key
        found = self._base.line((expiry, strike / self._scale, right), epoch)
        return Line(found.near, found.far, found.weight, found.level, found.basis)
