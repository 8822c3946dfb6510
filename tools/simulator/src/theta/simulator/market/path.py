"""The seeded price path of an underlying: through every recorded point, defined at any instant.

Time runs on a market axis that counts session seconds and gives each close-to-open gap a fixed
weight, so that a
night moves the price a little and a weekend no more than a night. Between two points the path is a
Brownian bridge
in log price, refined by halving: the value at an instant depends on the seed and the instant alone.
"""

from bisect import bisect_right
from datetime import date, timedelta
from functools import lru_cache
from math import exp, log, sqrt

from theta.simulator.market import calendar, chains
from theta.simulator.randomness import gauss

_NIGHT_SECONDS = 3_600.0
_AXIS_START = date(2026, 8, 3)
_YEAR_AXIS_SECONDS = 252 * (6.5 * 3_600 + _NIGHT_SECONDS)
_HISTORY_DAYS = 800


@lru_cache(maxsize=4096)
def _axis_at_open(day: date) -> float:
    """Market seconds at the opening of session day ``day``."""
    if day <= _AXIS_START:
        return 0.0
    before = calendar.previous_session_day(day)
    opened, closed = calendar.session(before) or (0.0, 0.0)
    return _axis_at_open(before) + (closed - opened) + _NIGHT_SECONDS


def axis(epoch: float) -> float:
    """Market seconds at ``epoch``; stands still while the market is closed."""
    day = calendar.trading_date(epoch)
    hours = calendar.session(day)
    if hours is None or epoch < hours[0]:
        before = calendar.previous_session_day(day)
        opened, closed = calendar.session(before) or (0.0, 0.0)
        return _axis_at_open(before) + closed - opened
    return _axis_at_open(day) + min(epoch, hours[1]) - hours[0]


class PricePath:
    """Prices of one underlying. ``source`` names the recorded symbol whose points it goes through.

    An alias of a recorded symbol starts from the same prior close but has a path of its own.
    """

    def __init__(self, seed: int, symbol: str, source: str, yearly_vol: float) -> None:
        self._seed = seed
        self._symbol = symbol
        self._vol = yearly_vol / sqrt(_YEAR_AXIS_SECONDS)
        self._points = self._recorded(source, pinned=symbol == source)
        self._past: list[float] = []

    @staticmethod
    def _recorded(source: str, *, pinned: bool) -> list[tuple[float, float]]:
        points: dict[float, float] = {}
        for snapshot in chains.snapshots():
            hours = calendar.session(date.fromisoformat(snapshot.session))
            if hours:
                points[round(axis(hours[1]))] = log(snapshot.prior_closes[source])
            points[round(axis(snapshot.taken_at))] = log(snapshot.spots[source])
        ordered = sorted(points.items())
        return ordered if pinned else ordered[:2]

    def price(self, epoch: float) -> float:
        """The price at ``epoch`` in USD, unrounded. Before the first recorded close it is that
        close."""
        at = round(axis(epoch))
        self._extend(at)
        if at <= self._points[0][0]:
            return exp(self._points[0][1])
        index = bisect_right(self._points, (at, float("inf")))
        if index >= len(self._points):
            return exp(self._points[-1][1])
        left, right = self._points[index - 1], self._points[index]
        return exp(self._bridge(left, right, at))

    def _bridge(self, left: tuple[float, float], right: tuple[float, float], at: float) -> float:
        while right[0] - left[0] > 1.0 and at > left[0]:
            middle = (left[0] + right[0]) / 2
            spread = self._vol * sqrt((right[0] - left[0]) / 4)
            value = (left[1] + right[1]) / 2 + spread * gauss(
                self._seed, "path", self._symbol, left[0], right[0]
            )
            if at < middle:
                right = (middle, value)
            else:
                left = (middle, value)
        return left[1]

    def _extend(self, at: float) -> None:
        step = 6.5 * 3_600 + _NIGHT_SECONDS
        while self._points[-1][0] < at:
            last_at, last = self._points[-1]
            move = self._vol * sqrt(step) * gauss(self._seed, "step", self._symbol, last_at)
            self._points.append((last_at + step, last + move))

    def close(self, day: date) -> float:
        """Closing price of session day ``day``; before the recording, a seeded walk back from its
        first close."""
        hours = calendar.session(day)
        if hours is None:
            return self.close(calendar.previous_session_day(day))
        if axis(hours[1]) >= self._points[0][0]:
            return self.price(hours[1])
        first = date.fromisoformat(chains.snapshots()[0].session)
        if not self._past:
            self._past = self._walk_back()
        days_back = _session_distance(day, first)
        return self._past[min(days_back, len(self._past) - 1)]

    def _walk_back(self) -> list[float]:
        daily = self._vol * sqrt(_YEAR_AXIS_SECONDS / 252)
        closes = [exp(self._points[0][1])]
        for back in range(_HISTORY_DAYS):
            # The small downward drift going back is the equity premium going forward.
            move = daily * gauss(self._seed, "past", self._symbol, back) - 0.0003
            closes.append(closes[-1] * exp(move))
        return closes


@lru_cache(maxsize=4096)
def _session_distance(earlier: date, later: date) -> int:
    count, day = 0, earlier
    while day < later:
        day += timedelta(1)
        count += calendar.is_session_day(day)
    return count
