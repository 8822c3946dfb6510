"""The seeded price path of an underlying: through every recorded point, defined at any instant.

Time runs on a market axis that counts session seconds and gives each close-to-open gap a fixed
weight, so that a night moves the price a little and a weekend no more than a night. Between two
points the path is a Brownian bridge in log price, refined by halving: the value at an instant
depends on the seed and the instant alone. Splits, and dividends after the last recorded point,
make it step at the opening of their ex-date.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from math import exp, log, sqrt
from typing import Protocol

from theta.simulator.market import calendar
from theta.simulator.market.reference import CorporateAction
from theta.simulator.randomness import gauss

NIGHT_SECONDS = 3_600.0
_AXIS_START = date(2026, 8, 3)
_DAY_AXIS_SECONDS = 6.5 * 3_600 + NIGHT_SECONDS
_YEAR_AXIS_SECONDS = 252 * _DAY_AXIS_SECONDS
_HISTORY_DAYS = 800
_SAMPLE_DEPTH = 4

_OPENINGS: dict[date, float] = {_AXIS_START: 0.0}
"""Axis seconds at the opening of session days: a table that grows on demand, the same for all."""
_EDGES = [_AXIS_START, _AXIS_START]


def _measure_anew() -> None:
    _OPENINGS.clear()
    _OPENINGS[_AXIS_START] = 0.0
    _EDGES[:] = [_AXIS_START, _AXIS_START]


calendar.when_sessions_change(_measure_anew)


def _axis_at_open(day: date) -> float:
    """Market seconds at the opening of session day ``day``, negative before the axis' start."""
    while day > _EDGES[1]:
        after = _EDGES[1] + timedelta(1)
        while not calendar.is_session_day(after):
            after += timedelta(1)
        opened, closed = calendar.session(_EDGES[1]) or (0.0, 0.0)
        _OPENINGS[after] = _OPENINGS[_EDGES[1]] + (closed - opened) + NIGHT_SECONDS
        _EDGES[1] = after
    while day < _EDGES[0]:
        before = calendar.previous_session_day(_EDGES[0])
        opened, closed = calendar.session(before) or (0.0, 0.0)
        _OPENINGS[before] = _OPENINGS[_EDGES[0]] - (closed - opened) - NIGHT_SECONDS
        _EDGES[0] = before
    return _OPENINGS[day]


@calendar.by_sessions(256)
def _session_axis(day: date) -> tuple[float, float, float]:
    """Opening and closing instant of the last session up to ``day``, and the axis at its
    opening."""
    hours = calendar.session(day)
    while hours is None:
        day = calendar.previous_session_day(day)
        hours = calendar.session(day)
    return hours[0], hours[1], _axis_at_open(day)


def axis(epoch: float) -> float:
    """Market seconds at ``epoch``; stands still while the market is closed."""
    day = calendar.trading_date(epoch)
    opened, closed, start = _session_axis(day)
    if epoch < opened:
        opened, closed, start = _session_axis(calendar.previous_session_day(day))
    return start + min(epoch, closed) - opened


class Path(Protocol):
    """The prices of one underlying."""

    def price(self, epoch: float) -> float:
        """The price at ``epoch`` in USD, unrounded; that of the last close while the market is
        closed."""

    def close(self, day: date) -> float:
        """The closing price of session day ``day``, or of the last session before it."""

    def unsplit_close(self, day: date) -> float:
        """The closing price in the units in force before any split: without their jumps."""

    def samples(self, day: date) -> list[tuple[float, float]]:
        """(instant, price) of a few instants of session ``day``, cheaply."""

    @property
    def first_day(self) -> date:
        """The first session day that has a price."""


def _no_actions(_after: float, _until: float) -> list[CorporateAction]:
    return []


class PricePath:
    """Prices of one underlying through ``pins``: (epoch seconds, USD), at least one, in the units
    in force before any split.

    ``past`` are closes of session days before the first pin; days before those walk back at random
    from the earliest close known. ``drift`` is per year and moves the path after the last pin.
    """

    def __init__(
        self,
        seed: int,
        symbol: str,
        pins: Sequence[tuple[float, float]],
        yearly_vol: float,
        *,
        past: Mapping[date, float] | None = None,
        drift: float = 0.0,
    ) -> None:
        self._seed = seed
        self._symbol = symbol
        self._vol = yearly_vol / sqrt(_YEAR_AXIS_SECONDS)
        self._drift = drift / _YEAR_AXIS_SECONDS
        at = {round(axis(epoch)): log(price) for epoch, price in pins}
        self._points: list[tuple[float, float]] = sorted(at.items())
        self._first_at = pins[0][0]
        self._first_day = calendar.trading_date(pins[0][0])
        self._last_pin = (max(epoch for epoch, _ in pins), pins[-1][1])
        self._recorded_past = dict(past or {})
        self._past: dict[date, float] = {}
        self._earliest = self._first_day
        self.actions: Callable[[float, float], list[CorporateAction]] = _no_actions
        self._factor = lru_cache(maxsize=4096)(self._factor_after)
        self._node = lru_cache(maxsize=16_384)(self._gauss)

    @property
    def first_day(self) -> date:
        """The first session day of the walk back before the recording."""
        return calendar.session_days_back(self._first_day, _HISTORY_DAYS)[0]

    def _gauss(self, left: float, right: float) -> float:
        return gauss(self._seed, "path", self._symbol, left, right)

    def price(self, epoch: float) -> float:
        """The price at ``epoch`` in USD, unrounded."""
        at = round(axis(epoch))
        self._extend(at)
        if at <= self._points[0][0]:
            return self._before(epoch, at) * self.factor(epoch)
        index = bisect_right(self._points, (at, float("inf")))
        if index >= len(self._points):
            return exp(self._points[-1][1]) * self.factor(epoch)
        left, right = self._points[index - 1], self._points[index]
        return exp(self._bridge(left, right, at)) * self.factor(epoch)

    def factor(self, epoch: float) -> float:
        """What splits, and dividends after the last pin, have made of one share's price."""
        day = calendar.trading_date(epoch)
        hours = calendar.session(day)
        opened = hours is not None and epoch >= hours[0]
        return self._factor(day, opened)

    def _factor_after(self, day: date, opened: bool) -> float:  # noqa: FBT001 - part of a cache key
        hours = calendar.session(day)
        until = hours[0] if hours and opened else calendar.start_of(day)
        found = 1.0
        last_at, last_price = self._last_pin
        for action in self.actions(self._first_at, until):
            found /= action.ratio
            if action.kind == "dividend" and action.at > last_at:
                found *= max(0.05, 1.0 - action.amount_usd / last_price)
        return found

    def forget(self) -> None:
        """Compute the steps anew: the actions have changed."""
        self._factor.cache_clear()

    def _bridge(self, left: tuple[float, float], right: tuple[float, float], at: float) -> float:
        while right[0] - left[0] > 1.0 and at > left[0]:
            middle = (left[0] + right[0]) / 2
            spread = self._vol * sqrt((right[0] - left[0]) / 4)
            value = (left[1] + right[1]) / 2 + spread * self._node(left[0], right[0])
            if at < middle:
                right = (middle, value)
            else:
                left = (middle, value)
        return left[1]

    def _extend(self, at: float) -> None:
        while self._points[-1][0] < at:
            last_at, last = self._points[-1]
            move = (
                self._vol
                * sqrt(_DAY_AXIS_SECONDS)
                * gauss(self._seed, "step", self._symbol, last_at)
            )
            move += self._drift * _DAY_AXIS_SECONDS
            self._points.append((last_at + _DAY_AXIS_SECONDS, last + move))

    def _before(self, epoch: float, at: float) -> float:
        """A price before the first pin, on a bridge from close to close."""
        day = calendar.trading_date(epoch)
        hours = calendar.session(day)
        if hours is None or epoch < hours[0]:
            return self._past_close(day - timedelta(1))
        if at >= self._points[0][0]:
            return exp(self._points[0][1])
        start = round(_axis_at_open(day)) - NIGHT_SECONDS
        end = round(axis(hours[1]))
        if at >= end:
            return self._past_close(day)
        left = (start, log(self._past_close(day - timedelta(1))))
        if end >= self._points[0][0]:
            return exp(self._bridge(left, self._points[0], at))
        return exp(self._bridge(left, (end, log(self._past_close(day))), at))

    def close(self, day: date) -> float:
        """Closing price of session day ``day``; before the recording, a seeded walk back from its
        first close."""
        hours = calendar.session(day)
        if hours is None:
            return self.close(calendar.previous_session_day(day))
        if axis(hours[1]) >= self._points[0][0]:
            return self.price(hours[1])
        return self._past_close(day) * self.factor(hours[1])

    def unsplit_close(self, day: date) -> float:
        """The closing price in the units in force before any split: without their jumps."""
        price = self.close(day)
        hours = calendar.session(day)
        until = hours[1] if hours else calendar.start_of(day)
        if until > self._first_at:
            for action in self.actions(self._first_at, until):
                price *= action.ratio
        return price

    def samples(self, day: date) -> list[tuple[float, float]]:
        """(instant, price) where the path is drawn first: its coarsest points within a session."""
        opened, closed = calendar.session(day) or (0.0, 0.0)
        start = _axis_at_open(day)
        end = start + closed - opened
        factor = self.factor(opened)
        self._extend(end)
        if end < self._points[0][0]:
            close = log(self._past_close(day))
            before = (start - NIGHT_SECONDS, log(self._past_close(day - timedelta(1))))
            drawn = self._coarse(before, (end, close), _SAMPLE_DEPTH)
        else:
            first = max(0, bisect_right(self._points, (start, float("-inf"))) - 1)
            last = bisect_right(self._points, (end, float("inf"))) + 1
            near = self._points[first:last]
            drawn = [
                point
                for left, right in pairwise(near)
                for point in (*self._coarse(left, right, _SAMPLE_DEPTH), right)
            ]
        return [(opened + at - start, exp(v) * factor) for at, v in drawn if start <= at <= end]

    def _coarse(
        self, left: tuple[float, float], right: tuple[float, float], depth: int
    ) -> list[tuple[float, float]]:
        """The points that ``_bridge`` draws first between two, ``depth`` times halved."""
        if depth == 0 or right[0] - left[0] <= 1.0:
            return []
        spread = self._vol * sqrt((right[0] - left[0]) / 4)
        value = (left[1] + right[1]) / 2 + spread * self._node(left[0], right[0])
        middle = ((left[0] + right[0]) / 2, value)
        return [
            *self._coarse(left, middle, depth - 1),
            middle,
            *self._coarse(middle, right, depth - 1),
        ]

    def _past_close(self, day: date) -> float:
        while not calendar.is_session_day(day):
            day -= timedelta(1)
        known = self._recorded_past.get(day)
        if known is not None:
            return known
        earlier = [known_day for known_day in self._recorded_past if known_day < day]
        if earlier:
            return self._recorded_past[max(earlier)]
        return self._walked_back(day)

    def _walked_back(self, day: date) -> float:
        """A close before all that is known; the walk goes on as far as it is asked for."""
        if not self._past:
            first = min(self._recorded_past, default=self._first_day)
            known = self._recorded_past.get(first)
            self._past[first] = exp(self._points[0][1]) if known is None else known
            self._earliest = first
        daily = self._vol * sqrt(_YEAR_AXIS_SECONDS / 252)
        while day < self._earliest and len(self._past) <= _HISTORY_DAYS:
            move = daily * gauss(self._seed, "past", self._symbol, len(self._past) - 1)
            close = self._past[self._earliest]
            self._earliest = calendar.previous_session_day(self._earliest)
            # The small downward drift going back is the equity premium going forward.
            self._past[self._earliest] = close * exp(move - 0.0003)
        return self._past.get(day, self._past[self._earliest])


class DerivedPath:
    """A price that follows another path: ``scale`` times it, or moving against it.

    With ``response`` 1 it is proportional. With another one it is ``scale`` times (price now /
    price 21 sessions ago) to that power, within ``limits``: a volatility index falls when its
    market rises, and comes back.
    """

    _SESSIONS = 21

    def __init__(
        self,
        base: Path,
        scale: float,
        response: float = 1.0,
        limits: tuple[float, float] = (0.0, float("inf")),
    ) -> None:
        self._base = base
        self._scale = scale
        self.response = response
        self._limits = limits

    @property
    def first_day(self) -> date:
        """The first session day that has a price."""
        return self._base.first_day

    def price(self, epoch: float) -> float:
        """The index at ``epoch``, unrounded."""
        return self._of(self._base.price(epoch), calendar.trading_date(epoch))

    def close(self, day: date) -> float:
        """The index at the close of ``day``."""
        return self._of(self._base.close(day), day)

    def unsplit_close(self, day: date) -> float:
        """As ``close``: an index has no splits."""
        return self.close(day)

    def samples(self, day: date) -> list[tuple[float, float]]:
        """The samples of the base, followed."""
        return [(at, self._of(price, day)) for at, price in self._base.samples(day)]

    def _of(self, base: float, day: date) -> float:
        if self.response == 1.0:
            return self._scale * base
        before = self._base.close(_sessions_before(day, self._SESSIONS))
        low, high = self._limits
        return min(high, max(low, self._scale * float((base / before) ** self.response)))


@calendar.by_sessions(512)
def _sessions_before(day: date, count: int) -> date:
    return calendar.session_days_back(day, count + 1)[0]
