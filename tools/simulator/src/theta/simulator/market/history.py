"""Historical bars, the same for the same seed whenever they are asked for.

A session's range is drawn once; bars within it are cut from bars of five minutes, and those of less
than that from one of these, so that bars of every size agree with each other and with the closes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from math import exp, log, pi, sin, sqrt
from statistics import stdev
from typing import TYPE_CHECKING

from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.option_history import OptionHistory
from theta.simulator.market.reference import Bar

if TYPE_CHECKING:
    from theta.simulator.market.quotes import Market

DAY_SECONDS = 86_400
_BASE_SECONDS = 300
_MOVES = 30
_IMPLIED_POWER = 0.6
_EXTENDED_OPEN, _EXTENDED_CLOSE = 5.5 * 3_600, 4 * 3_600
_VOLATILITIES = frozenset({"HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY"})
_KINDS = frozenset({"TRADES", "ADJUSTED_LAST", "MIDPOINT", "BID", "ASK"})
_SHIPPED = frozenset({"SPY", "QQQ", "IWM"})


@dataclass(frozen=True, slots=True)
class _Range:
    """Low and high of a session, and the instants at which they are reached."""

    low: float
    high: float
    low_at: float
    high_at: float


Shape = tuple[float, float, float, float]
"""Open, high, low, close."""


class History:
    """Bars of every contract of a market."""

    def __init__(self, market: "Market") -> None:
        self._market = market
        self._options = OptionHistory(market)
        self._range = lru_cache(maxsize=4096)(self._range_of)
        self._base = lru_cache(maxsize=16_384)(self._base_shape)
        self._moves = lru_cache(maxsize=4096)(self._historical_vol)
        self._implied = lru_cache(maxsize=4096)(self._implied_vol)

    def forget(self) -> None:
        """Compute anew what was kept: prices or events have changed."""
        for kept in (self._range, self._base, self._moves, self._implied):
            kept.cache_clear()

    def head(self, contract: Contract, what: str) -> float:
        """Epoch second of the first bar there is of this kind."""
        if contract.is_option:
            return self._options.head(contract)
        if contract.is_combination:
            return max(self.head(leg, what) for leg in self._options.members(contract))
        first = self._market.known_source(contract.symbol).path.first_day
        if what in _VOLATILITIES:
            first = _sessions_after(first, _MOVES + 1)
        hours = calendar.session(first) or calendar.session(_sessions_after(first, 1))
        return hours[0] if hours else calendar.start_of(first)

    def bars(
        self,
        contract: Contract,
        what: str,
        start: float,
        end: float,
        bar_seconds: int,
        regular_hours: bool = True,  # noqa: FBT001,FBT002 - the client's own flag, passed on
    ) -> list[Bar]:
        """Bars that start in [start, end), oldest first; the running bar ends at the price of
        ``end``.

        ``what`` is TRADES, ADJUSTED_LAST, MIDPOINT, BID, ASK, HISTORICAL_VOLATILITY or
        OPTION_IMPLIED_VOLATILITY; ``bar_seconds`` 86,400 means one bar per session. Empty when
        there is nothing, or for a kind that the contract does not have.
        """
        extended = not regular_hours and contract.sec_type == "STK"
        first = max(start, self.head(contract, what))
        shape = self._shaper(contract, what)
        if shape is None:
            return []
        found: list[Bar] = []
        volatility = what in _VOLATILITIES
        for day in _days(first, end):
            hours = calendar.session(day)
            if hours is None:
                continue
            for at, until in _slots(hours, bar_seconds, extended=extended):
                if at < end and first <= at:
                    bar = shape(day, at, min(until, end), bar_seconds)
                    if bar is not None:
                        found.append(bar if volatility else self._since_split(contract, bar, end))
        return found

    def _since_split(self, contract: Contract, bar: Bar, end: float) -> Bar:
        """A stock's bar in the units in force at ``end``, as IBKR tells it; dividends stay in."""
        if contract.sec_type != "STK":
            return bar
        ratio = self._market.events.split_ratio(contract.symbol, bar.at, end)
        if ratio == 1.0:
            return bar
        o, high, low, c = (round(v / ratio, 4) for v in (bar.open, bar.high, bar.low, bar.close))
        volume = int(bar.volume * ratio) if bar.volume > 0 else bar.volume
        return Bar(bar.at, o, high, low, c, volume, round(bar.average / ratio, 4), bar.count)

    def _shaper(
        self, contract: Contract, what: str
    ) -> Callable[[date, float, float, int], Bar | None] | None:
        """What makes one bar of a day between two instants."""
        if what in _VOLATILITIES:
            if contract.sec_type not in ("STK", "IND"):
                return None
            symbol, implied = contract.symbol, what == "OPTION_IMPLIED_VOLATILITY"
            if implied and self._market.implied_volatility(symbol, self._origin(symbol)) is None:
                return None
            return lambda day, at, until, _: self._volatility(symbol, day, at, until, implied)
        if what not in _KINDS:
            return None
        if contract.sec_type in ("STK", "IND"):
            return lambda day, at, until, seconds: self._underlying(
                contract, what, day, (at, until, seconds)
            )
        return lambda day, at, until, seconds: self._derived(
            contract, what, day, (at, until, seconds)
        )

    # -- underlyings ------------------------------------------------------------------------------

    def _underlying(
        self, contract: Contract, what: str, day: date, slot: tuple[float, float, int]
    ) -> Bar:
        shape = self._shape(contract.symbol, day, *slot)
        if contract.is_index:
            return _bar(slot[0], _rounded(shape), 0)
        if what in ("TRADES", "ADJUSTED_LAST"):
            volume = self._traded(contract.symbol, day, slot[0], slot[1])
            return _bar(slot[0], _rounded(shape), volume)
        half = {"BID": -0.005, "ASK": 0.005}.get(what, 0.0)
        o, h, low, c = (round(price + half, 2 if half else 3) for price in shape)
        return Bar(slot[0], o, h, low, c, -1, 0.0, -1)

    def _price(self, symbol: str, at: float) -> float:
        return self._market.path_price(symbol, at)

    def _shape(self, symbol: str, day: date, at: float, until: float, seconds: int) -> Shape:
        hours = calendar.session(day) or (at, until)
        if until <= hours[0] or at >= hours[1]:  # extended hours: the price stands still
            price = self._price(symbol, at)
            return price, price, price, price
        at, until = max(at, hours[0]), min(until, hours[1])
        if seconds >= DAY_SECONDS and until >= hours[1]:
            ends = self._range(symbol, day)
            opened, closed = self._price(symbol, at), self._price(symbol, until)
            return opened, ends.high, ends.low, closed
        if seconds < _BASE_SECONDS or (until - at) < _BASE_SECONDS:
            return self._small(symbol, day, at, until, seconds)
        first = int((at - hours[0]) // _BASE_SECONDS)
        last = int((until - hours[0] - 1e-6) // _BASE_SECONDS)
        shapes = [self._base(symbol, day, number) for number in range(first, last)]
        edge = hours[0] + last * _BASE_SECONDS
        shapes.append(
            self._base(symbol, day, last)
            if until >= min(edge + _BASE_SECONDS, hours[1])
            else self._small(symbol, day, edge, until, seconds)
        )
        return _joined(shapes)

    def _range_of(self, symbol: str, day: date) -> _Range:
        opened, closed = calendar.session(day) or (0.0, 0.0)
        points = [(self._price(symbol, at), at) for at in (opened, closed)]
        for at, price in self._market.known_source(symbol).path.samples(day):
            points.append((price * self._market.shift(symbol, at), at))
        jitter = self._market.jitter
        reach = (max(points)[0] - min(points)[0]) * 0.12 + points[0][0] * 2e-4
        low, high = min(points), max(points)
        return _Range(
            low=low[0] - reach * jitter("low", symbol, day),
            high=high[0] + reach * jitter("high", symbol, day),
            low_at=min(low[1], closed - 1),
            high_at=min(high[1], closed - 1),
        )

    def _base_shape(self, symbol: str, day: date, number: int) -> Shape:
        """Five minutes of a session, within the session's range."""
        opened, closed = calendar.session(day) or (0.0, 0.0)
        at = opened + number * _BASE_SECONDS
        until = min(at + _BASE_SECONDS, closed)
        ends = self._range(symbol, day)
        first, last = self._price(symbol, at), self._price(symbol, until)
        if number > 0:
            first = max(ends.low, min(ends.high, first))
        if until < closed:
            last = max(ends.low, min(ends.high, last))
        jitter = self._market.jitter
        reach = (ends.high - ends.low) * 0.06
        high = max(first, last) + reach * jitter("bar-high", symbol, at)
        low = min(first, last) - reach * jitter("bar-low", symbol, at)
        high, low = max(first, last, min(high, ends.high)), min(first, last, max(low, ends.low))
        if at <= ends.high_at < until:
            high = ends.high
        if at <= ends.low_at < until:
            low = ends.low
        return first, high, low, last

    def _small(self, symbol: str, day: date, at: float, until: float, seconds: int) -> Shape:
        """Part of five minutes: one of the parts has their high, one their low."""
        opened = (calendar.session(day) or (at, until))[0]
        number = int((at - opened) // _BASE_SECONDS)
        edge = opened + number * _BASE_SECONDS
        _, high, low, _ = self._base(symbol, day, number)
        first = max(low, min(high, self._price(symbol, at)))
        last = max(low, min(high, self._price(symbol, until)))
        parts = max(1, _BASE_SECONDS // max(1, seconds))
        part = int((at - edge) // max(1, seconds))
        jitter = self._market.jitter
        top = high if int(jitter("top", symbol, edge) * parts) == part else max(first, last)
        bottom = low if int(jitter("bottom", symbol, edge) * parts) == part else min(first, last)
        return first, top, bottom, last

    def _traded(self, symbol: str, day: date, at: float, until: float) -> int:
        """Shares traded between two instants: more at both ends of the session."""
        opened, closed = calendar.session(day) or (at, until)
        jitter = self._market.jitter
        size = 1.0 if symbol in _SHIPPED else 0.05 + 0.6 * jitter("traded", symbol)
        daily = size * (30e6 + 30e6 * jitter("volume", symbol, day))
        return _share(daily, until, opened, closed) - _share(daily, at, opened, closed)

    # -- options and combinations ------------------------------------------------------------------

    def _derived(
        self, contract: Contract, what: str, day: date, slot: tuple[float, float, int]
    ) -> Bar | None:
        def shape_of(symbol: str) -> Shape:
            return self._shape(symbol, day, *slot)

        return self._options.bar(contract, what, (slot[0], slot[1]), shape_of)

    # -- volatilities ------------------------------------------------------------------------------

    def _origin(self, symbol: str) -> float:
        """An instant at which the options of ``symbol`` are known."""
        source = self._market.known_source(symbol)
        return source.known_from

    def _volatility(
        self,
        symbol: str,
        day: date,
        at: float,
        until: float,
        implied: bool,  # noqa: FBT001 - a kind
    ) -> Bar:
        before = calendar.previous_session_day(day)
        found = self._implied if implied else self._moves
        first, last = found(symbol, before), found(symbol, day)
        opened, closed = calendar.session(day) or (at, until)
        low_share = (at - opened) / (closed - opened)
        high_share = min(1.0, (until - opened) / (closed - opened))
        o, c = first + low_share * (last - first), first + high_share * (last - first)
        jitter = self._market.jitter
        high = max(o, c) * (1 + 0.01 * jitter("vol-high", symbol, at, implied))
        low = min(o, c) * (1 - 0.01 * jitter("vol-low", symbol, at, implied))
        return Bar(at, round(o, 6), round(high, 6), round(low, 6), round(c, 6), -1, 0.0, -1)

    def _historical_vol(self, symbol: str, day: date) -> float:
        path = self._market.known_source(symbol).path
        days = calendar.session_days_back(day, _MOVES + 1)
        closes = [path.unsplit_close(one) for one in days]
        return stdev(log(b / a) for a, b in pairwise(closes)) * sqrt(252)

    def _implied_vol(self, symbol: str, day: date) -> float:
        """At-the-money volatility at a close; before the options are known it follows the
        historical one."""
        closed = (calendar.session(day) or (0.0, calendar.start_of(day)))[1] - 1
        origin = self._origin(symbol)
        found = self._market.implied_volatility(symbol, max(closed, origin)) or 0.0
        if closed >= origin:
            return found
        then, now = self._moves(symbol, day), self._moves(symbol, calendar.trading_date(origin))
        noise = 0.1 * (self._market.jitter("implied", symbol, day) - 0.5)
        return found * float((then / now) ** _IMPLIED_POWER) * exp(noise)


def _bar(at: float, shape: Shape, volume: int) -> Bar:
    o, high, low, c = shape
    return Bar(at, o, high, low, c, volume, round((high + low + c) / 3, 3), volume // 120)


def _rounded(shape: Shape) -> Shape:
    o, high, low, c = shape
    return round(o, 2), round(high, 2), round(low, 2), round(c, 2)


def _joined(shapes: list[Shape]) -> Shape:
    return (
        shapes[0][0],
        max(shape[1] for shape in shapes),
        min(shape[2] for shape in shapes),
        shapes[-1][3],
    )


def _share(total: float, at: float, opened: float, closed: float) -> int:
    """Of ``total`` traded in a session, what was by ``at``."""
    gone = max(0.0, min(1.0, (at - opened) / (closed - opened)))
    return int(total * (gone + 0.12 * sin(2 * pi * gone)))


def _days(start: float, end: float) -> Iterator[date]:
    day, last = calendar.trading_date(start), calendar.trading_date(end)
    while day <= last:
        yield day
        day += timedelta(1)


def _slots(
    hours: tuple[float, float], seconds: int, *, extended: bool
) -> Iterator[tuple[float, float]]:
    """Start and end of the bars of a session."""
    opened, closed = hours
    if seconds >= DAY_SECONDS:
        yield opened, closed
        return
    if extended:
        opened, closed = opened - _EXTENDED_OPEN, closed + _EXTENDED_CLOSE
    # Bars of an hour and more begin on the hour, so that the first of a session is short.
    whole = seconds if seconds >= 3_600 else 0
    at = opened
    while at < closed:
        until = at + seconds
        if whole:
            until = min(until, (at // 3_600 + 1) * 3_600 + (seconds - 3_600))
        yield at, min(until, closed)
        at = until


def _sessions_after(day: date, count: int) -> date:
    while count > 0:
        day += timedelta(1)
        count -= calendar.is_session_day(day)
    return day
