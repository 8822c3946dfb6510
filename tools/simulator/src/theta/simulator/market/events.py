"""Dividends, splits and the interest rate: what moves a forward besides the price."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from math import exp

from theta.simulator.market import calendar, pricing
from theta.simulator.market.reference import CorporateAction


@dataclass(frozen=True, slots=True)
class DividendPlan:
    """A regular cash dividend: ``amount_usd`` per share in each of ``months``.

    The ex-date is the first session on or after day ``day``; ``day`` 0 means the third Friday, and
    -1 the Monday after it.
    """

    amount_usd: float
    months: tuple[int, ...]
    day: int = 0

    def ex_dates(self, year: int) -> list[date]:
        return _ex_dates(self.months, self.day, year)


@calendar.by_sessions(4096)
def _ex_dates(months: tuple[int, ...], day: int, year: int) -> list[date]:
    found: list[date] = []
    for month in months:
        if day > 0:
            ex_date = date(year, month, min(day, 28))
        else:
            ex_date = third_friday(year, month) + timedelta(3 if day < 0 else 0)
        while not calendar.is_session_day(ex_date):
            ex_date += timedelta(1)
        found.append(ex_date)
    return found


def third_friday(year: int, month: int) -> date:
    """The third Friday of a month, a holiday or not."""
    first = date(year, month, 1)
    return first + timedelta((4 - first.weekday()) % 7 + 14)


_QUARTERS = (3, 6, 9, 12)
PLANS: dict[str, DividendPlan] = {
    "SPY": DividendPlan(1.85, _QUARTERS),
    "QQQ": DividendPlan(0.75, _QUARTERS, -1),
    "IWM": DividendPlan(0.80, _QUARTERS, 16),
    "XLF": DividendPlan(0.18, _QUARTERS, -1),
    "TLT": DividendPlan(0.32, tuple(range(1, 13)), 1),
    "AAPL": DividendPlan(0.26, (2, 5, 8, 11), 10),
    "MSFT": DividendPlan(0.91, (2, 5, 8, 11), 20),
    "GOOGL": DividendPlan(0.21, _QUARTERS, 8),
    "JPM": DividendPlan(1.50, (1, 4, 7, 10), 6),
    "CSCO": DividendPlan(0.42, (1, 4, 7, 10), 3),
    "KO": DividendPlan(0.53, _QUARTERS, 13),
    "WMT": DividendPlan(0.25, (3, 5, 8, 12), 12),
    "DIS": DividendPlan(0.75, (6, 12), 15),
    "IBM": DividendPlan(1.68, (2, 5, 8, 11), 10),
    "XOM": DividendPlan(1.00, (2, 5, 8, 11), 14),
}
"""Dividends of well-known underlyings, near what they paid; others pay none unless told."""


class Events:
    """Dividends and splits by symbol, and one flat rate."""

    def __init__(self, rate: float = pricing.RATE) -> None:
        self._rate = rate
        self._plans: dict[str, DividendPlan] = {}
        self._single: dict[str, list[CorporateAction]] = {}
        self._dividends = lru_cache(maxsize=8192)(self._dividends_of)
        self.listeners: list[Callable[[], None]] = []

    def plan(self, symbol: str, plan: DividendPlan | None) -> None:
        """Give ``symbol`` a regular dividend, or none."""
        if plan is None:
            self._plans.pop(symbol, None)
        else:
            self._plans[symbol] = plan
        self._changed()

    def _changed(self) -> None:
        self._dividends.cache_clear()
        for listener in self.listeners:
            listener()

    def add(self, actions: Iterable[CorporateAction]) -> None:
        """Announce single dividends or splits."""
        for action in actions:
            self._single.setdefault(action.symbol, []).append(action)
        self._changed()

    def rate(self, _epoch: float) -> float:
        """Continuously compounded interest rate per year."""
        return self._rate

    def actions(self, after: float, until: float, symbol: str = "") -> list[CorporateAction]:
        """Actions in force from an instant in (after, until], earliest first; of one symbol if
        given."""
        symbols = [symbol] if symbol else list({**self._plans, **self._single})
        found = [action for name in symbols for action in self._of(name, after, until)]
        return sorted(found, key=lambda action: (action.at, action.symbol, action.kind))

    def _of(self, symbol: str, after: float, until: float) -> list[CorporateAction]:
        found = [item for item in self._single.get(symbol, ()) if after < item.at <= until]
        plan = self._plans.get(symbol)
        if plan is not None and plan.amount_usd > 0:
            first, last = calendar.trading_date(after).year, calendar.trading_date(until).year
            for year in range(first, last + 1):
                for day in plan.ex_dates(year):
                    at = (calendar.session(day) or (0.0, 0.0))[0]
                    if after < at <= until:
                        found.append(CorporateAction("dividend", symbol, at, plan.amount_usd))
        return found

    def dividends_ahead(self, symbol: str, epoch: float, years: float) -> list[tuple[float, float]]:
        """(ex-date's opening, USD per share) of the dividends within ``years`` from ``epoch``."""
        until = epoch + years * pricing.YEAR_SECONDS
        known = symbol in self._plans or symbol in self._single
        found = self._of(symbol, epoch, until) if years > 0 and known else []
        return sorted((item.at, item.amount_usd) for item in found if item.kind == "dividend")

    def split_ratio(self, symbol: str, after: float, until: float) -> float:
        """How many shares the splits in (after, until] made of one."""
        ratio = 1.0
        for item in self._single.get(symbol, ()):
            if after < item.at <= until:
                ratio *= item.ratio
        return ratio

    def present_value(self, symbol: str, epoch: float, years: float) -> float:
        """Today's value of those dividends, USD per share."""
        if years <= 0 or not (symbol in self._plans or symbol in self._single):
            return 0.0
        until = epoch + years * pricing.YEAR_SECONDS
        known = self._dividends(symbol, calendar.trading_date(epoch).year)
        value = 0.0
        for at, amount in known[bisect_right(known, (epoch, float("inf"))) :]:
            if at > until:
                break
            value += amount * exp(-self._rate * (at - epoch) / pricing.YEAR_SECONDS)
        return value

    def _dividends_of(self, symbol: str, year: int) -> list[tuple[float, float]]:
        """Every dividend from the start of a year until three years after its end."""
        first = calendar.start_of(date(year, 1, 1)) - 1.0
        return self.dividends_ahead(symbol, first, 4.0)
