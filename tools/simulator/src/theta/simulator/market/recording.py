"""Recorded option chains of one underlying, and what they say about its volatility and forward."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from math import exp, log, sqrt
from statistics import median

from theta.simulator.market import american, calendar, pricing, spreads
from theta.simulator.market.smile import Smile, fit, flat

Key = tuple[str, float, str]
"""Expiry (YYYYMMDD), strike, right."""

_PARITY_WINDOW = 0.04
_CHAINS_KEPT = 8
_VOL_LIMITS = (0.01, 5.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded option line, prices per share; ``bid`` 0 means that nobody bid, ``ask`` 0 that
    no quote was recorded. ``vol`` is the recorded implied volatility as a fraction, 0 for none."""

    bid: float
    ask: float
    last: float
    volume: int
    open_interest: int
    vol: float = 0.0


@dataclass(frozen=True, slots=True)
class Slice:
    """One expiry of a chain: its smile, the time to expiry it was seen at, and ``basis``: the log
    of its forward over the one that rate and dividends give."""

    smile: Smile
    years: float
    basis: float


@dataclass(frozen=True, slots=True)
class Economics:
    """Rate and dividends of an underlying: what its forward should be."""

    rate: float = pricing.RATE
    present_value: Callable[[float, float], float] = lambda _epoch, _years: 0.0

    def forward(self, spot: float, epoch: float, years: float, basis: float = 0.0) -> float:
        """Forward price ``years`` ahead, kept where neither a call nor a put can be sold for more
        than holding or shorting the stock costs."""
        grown = exp(self.rate * years)
        dividends = min(self.present_value(epoch, years), 0.5 * spot)
        model = (spot - dividends) * grown
        lowest = model - 0.5 * spot * self.rate * years
        return max(lowest, min(spot * grown, model * exp(basis)))


class Chain:
    """All lines of one underlying at one instant. Smiles are fitted when they are first needed."""

    def __init__(
        self,
        symbol: str,
        taken_at: float,
        spot: float,
        rows: Mapping[Key, Row],
        economics: Economics,
    ) -> None:
        self.symbol = symbol
        self.taken_at = taken_at
        self.spot = spot
        self.rows = rows
        self._economics = economics
        self._by_expiry: dict[str, list[tuple[float, str]]] = {}
        for expiry, strike, right in rows:
            self._by_expiry.setdefault(expiry, []).append((strike, right))
        for lines in self._by_expiry.values():
            lines.sort()
        self.expiries = sorted(self._by_expiry)
        self._slices: dict[str, Slice | None] = {}
        self._residuals: dict[Key, tuple[float, float]] = {}

    def lines(self, expiry: str) -> list[tuple[float, str]]:
        """(strike, right) of every line of ``expiry``, sorted; empty for an unknown one."""
        return self._by_expiry.get(expiry, [])

    def years(self, expiry: str) -> float:
        """Time to expiry when the chain was taken, in years."""
        return (calendar.expiry_instant(expiry) - self.taken_at) / pricing.YEAR_SECONDS

    def slice(self, expiry: str) -> Slice | None:
        """The smile and forward of ``expiry``; ``None`` where too little was quoted."""
        if expiry not in self._slices:
            known = expiry in self._by_expiry
            self._slices[expiry] = self._fit(expiry) if known else None
        return self._slices[expiry]

    def slices(self) -> Iterable[Slice]:
        """Every usable slice, nearest expiry first."""
        return (found for e in self.expiries if (found := self.slice(e)) is not None)

    def _fit(self, expiry: str) -> Slice | None:
        years = self.years(expiry)
        if years <= 1e-5:
            return None
        basis, seen = self._basis(expiry, years)
        forward_seen = seen or self._economics.forward(self.spot, self.taken_at, years)
        points: list[tuple[float, float, float]] = []
        carry = log(forward_seen / self.spot) / years
        for strike, right in self._by_expiry[expiry]:
            row = self.rows[expiry, strike, right]
            if (right == "C") == (strike > forward_seen) and strike > 0:
                point = self._point(row, right, strike, years, carry, forward_seen)
                if point is not None:
                    points.append(point)
        smile = fit(points, 2.0 * years)
        return Slice(smile, years, basis) if smile else None

    def _point(
        self, row: Row, right: str, strike: float, years: float, carry: float, forward: float
    ) -> tuple[float, float, float] | None:
        """(z, volatility, weight) of an out-of-the-money line; its weight is how exactly its quote
        says the variance."""
        terms = american.Terms(right == "C", self.spot, strike, years, carry, self._economics.rate)
        half = 0.01
        vol: float | None = row.vol
        if row.bid > 0 and row.ask > row.bid:
            half = max((row.ask - row.bid) / 2, 0.01)
            vol = american.implied_vol((row.bid + row.ask) / 2, terms, row.vol or 0.2)
        if not vol or not _VOL_LIMITS[0] < vol < _VOL_LIMITS[1]:
            return None
        root = vol * sqrt(years)
        d1 = log(forward / strike) / root + 0.5 * root
        vega = self.spot * sqrt(years) * exp(-0.5 * d1 * d1)
        return log(strike / forward) / sqrt(years), vol, (vega / (vol * half)) ** 2 + 1e-9

    def _basis(self, expiry: str, years: float) -> tuple[float, float | None]:
        """The basis allowed and the forward seen by put-call parity near the money, if it is."""
        grown = exp(self._economics.rate * years)
        seen: list[float] = []
        for strike, right in self._by_expiry[expiry]:
            if right != "C" or abs(strike / self.spot - 1.0) > _PARITY_WINDOW:
                continue
            call, put = self.rows[expiry, strike, "C"], self.rows.get((expiry, strike, "P"))
            if put is not None and min(call.bid, put.bid) > 0 and call.vol == put.vol == 0:
                parity = (call.bid + call.ask - put.bid - put.ask) / 2
                seen.append(strike + parity * grown)
        if not seen:
            return 0.0, None
        middle = median(seen)
        model = self._economics.forward(self.spot, self.taken_at, years)
        allowed = self._economics.forward(
            self.spot, self.taken_at, years, log(max(middle, 0.5 * self.spot) / model)
        )
        return log(allowed / model), middle

    def residual(self, key: Key) -> tuple[float, float]:
        """What the model leaves of the recorded mid, and half the recorded spread.

        The first is never larger than the second: a quote that the smile of its expiry leaves
        outside is moved until it touches, so that no two lines can be traded against each other.
        """
        if key not in self._residuals:
            self._residuals[key] = self._compare(key)
        return self._residuals[key]

    def _compare(self, key: Key) -> tuple[float, float]:
        expiry, strike, right = key
        row, found = self.rows[key], self.slice(expiry)
        years = self.years(expiry)
        if found is None or years <= 0:
            return 0.0, max(0.005, (row.ask - row.bid) / 2)
        forward = self._economics.forward(self.spot, self.taken_at, years, found.basis)
        terms = american.Terms(
            right == "C", self.spot, strike, years, log(forward / self.spot) / years,
            self._economics.rate,
        )  # fmt: skip
        fair = american.price(terms, found.smile.vol(log(strike / forward) / sqrt(years)))
        if row.ask > row.bid and row.ask > 0:
            half, mid = (row.ask - row.bid) / 2, (row.ask + row.bid) / 2
        else:
            inside = (self.spot - strike if right == "C" else strike - self.spot) / self.spot
            half = spreads.half_spread(self.symbol, price=fair, spot=self.spot, inside=inside)
            mid = american.price(terms, row.vol) if row.vol > 0 else fair
        return max(-half, min(half, mid - fair)), half


@dataclass(frozen=True, slots=True)
class Recording:
    """The chains of one underlying in the order they were taken, read when first needed.

    ``pins`` are the (instant, price) that its path goes through, ``past`` earlier closes, ``read``
    gives the rows of chain number i. ``prices`` are those at ``instants``, the moments of the
    chains.
    """

    symbol: str
    pins: tuple[tuple[float, float], ...]
    instants: tuple[float, ...]
    prices: tuple[float, ...]
    read: Callable[[int], Mapping[Key, Row]]
    past: Mapping[date, float] = field(default_factory=dict)

    def index_at(self, epoch: float) -> int:
        """The newest chain taken at or before ``epoch``; the first one before that."""
        newest = 0
        for index, instant in enumerate(self.instants):
            if instant > epoch:
                break
            newest = index
        return newest


@lru_cache(maxsize=16_384)
def day_of(expiry: str) -> date:
    """The calendar day of YYYYMMDD."""
    return datetime.strptime(expiry, "%Y%m%d").replace(tzinfo=UTC).date()


class Chains:
    """The chains of a recording, a few of which are kept in memory."""

    def __init__(self, recording: Recording, economics: Economics) -> None:
        self.recording = recording
        self._economics = economics
        self.at = lru_cache(maxsize=_CHAINS_KEPT)(self._load)

    def __len__(self) -> int:
        return len(self.recording.instants)

    def _load(self, index: int) -> Chain:
        taken, spot = self.recording.instants[index], self.recording.prices[index]
        rows = self.recording.read(index)
        return Chain(self.recording.symbol, taken, spot, rows, self._economics)


def mixed(slices: Iterable[Slice], years: float) -> tuple[Smile, Smile, float]:
    """The two slices around ``years`` and the share of the second: the shape of an expiry that was
    not recorded. A flat 20 % when there are none."""
    before: Slice | None = None
    after: Slice | None = None
    for item in slices:
        if item.years <= years:
            before = item
        else:
            after = item
            break
    if before is None and after is None:
        found = flat(0.20)
        return found, found, 0.0
    if before is None or after is None:
        only = before or after
        assert only is not None
        return only.smile, only.smile, 0.0
    return before.smile, after.smile, (years - before.years) / (after.years - before.years)
