"""Recorded option chains, read from the package on first use."""

import csv
import gzip
import io
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from math import log
from typing import Any

from theta.simulator.market import calendar, pricing

Key = tuple[str, float, str]
"""Expiry (YYYYMMDD), strike, right."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded option line, prices per share; ``bid`` 0 means that nobody bid."""

    bid: float
    ask: float
    last: float
    volume: int
    open_interest: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """When a chain was recorded and where the underlyings stood. ``session`` is the prior session
    day."""

    folder: str
    taken_at: float
    session: str
    spots: dict[str, float]
    prior_closes: dict[str, float]


class Chain:
    """One symbol in one snapshot, with the carry that put-call parity implies per expiry."""

    def __init__(self, snapshot: Snapshot, symbol: str, rows: dict[Key, Row]) -> None:
        self.snapshot = snapshot
        self.rows = rows
        self.spot = snapshot.spots[symbol]
        self.expiries = sorted({key[0] for key in rows})
        self._carries: dict[str, float] = {}
        self._vols: dict[Key, float] = {}

    def years(self, expiry: str) -> float:
        """Time to expiry when the chain was taken, in years."""
        return (calendar.expiry_instant(expiry) - self.snapshot.taken_at) / pricing.YEAR_SECONDS

    def carry(self, expiry: str) -> float:
        """The forward's growth rate per year from the parity of the strike nearest the money.

        0 within a week of expiry, where the spread swamps it; otherwise limited to ±10 %.
        """
        if expiry not in self._carries:
            self._carries[expiry] = self._implied_carry(expiry)
        return self._carries[expiry]

    def _implied_carry(self, expiry: str) -> float:
        years = self.years(expiry)
        if years < 7 / 365:
            return 0.0
        pairs: list[tuple[float, float]] = []
        for (row_expiry, strike, right), call in self.rows.items():
            put = self.rows.get((expiry, strike, "P"))
            if row_expiry != expiry or right != "C" or put is None:
                continue
            if min(call.bid, call.ask, put.bid, put.ask) > 0:
                parity = (call.bid + call.ask - put.bid - put.ask) / 2
                pairs.append(
                    (abs(strike - self.spot), strike + parity * (1 + pricing.RATE * years))
                )
        if not pairs:
            return 0.0
        forward = min(pairs)[1]
        return max(-0.1, min(0.1, log(forward / self.spot) / years))

    def vol(self, key: Key) -> float:
        """Implied volatility of the recorded mid.

        A mid that no volatility explains takes the other right's at the same strike, else 20 %.
        """
        if key not in self._vols:
            own = self._solve(key)
            if own is None:
                expiry, strike, right = key
                own = self._solve((expiry, strike, "P" if right == "C" else "C"))
            self._vols[key] = own if own is not None else 0.2
        return self._vols[key]

    def _solve(self, key: Key) -> float | None:
        row = self.rows.get(key)
        if row is None or row.ask <= 0:
            return None
        expiry, strike, right = key
        return pricing.implied_vol(
            (row.bid + row.ask) / 2,
            is_call=right == "C",
            spot=self.spot,
            strike=strike,
            years=self.years(expiry),
            carry=self.carry(expiry),
        )


def _folder() -> Traversable:
    return files("theta.simulator") / "data" / "chains"


@cache
def snapshots() -> tuple[Snapshot, ...]:
    """Every recorded snapshot, oldest first."""
    found: list[Snapshot] = []
    for entry in sorted(_folder().iterdir(), key=lambda item: item.name):
        if not entry.is_dir():
            continue
        meta: dict[str, Any] = json.loads((entry / "meta.json").read_text())
        tickers = meta["tickers"]
        found.append(
            Snapshot(
                folder=entry.name,
                taken_at=datetime.fromisoformat(meta["utc"]).timestamp(),
                session=meta["session"],
                spots={symbol: float(t["spot_live"]) for symbol, t in tickers.items()},
                prior_closes={symbol: float(t["spot"]) for symbol, t in tickers.items()},
            )
        )
    return tuple(found)


@cache
def load(index: int, symbol: str) -> Chain:
    """The chain of ``symbol`` in snapshot number ``index``."""
    snapshot = snapshots()[index]
    packed = (_folder() / snapshot.folder / f"{symbol}.csv.gz").read_bytes()
    rows: dict[Key, Row] = {}
    for record in csv.DictReader(io.StringIO(gzip.decompress(packed).decode())):
        key = (record["expiry"].replace("-", ""), float(record["strike"]), record["type"])
        rows[key] = Row(
            bid=_number(record["bid"]),
            ask=_number(record["ask"]),
            last=_number(record["lastPrice"]),
            volume=int(_number(record["volume"])),
            open_interest=int(_number(record["openInterest"])),
        )
    return Chain(snapshot, symbol, rows)


def index_at(epoch: float) -> int:
    """The newest snapshot taken at or before ``epoch``; the first one before that."""
    newest = 0
    for index, snapshot in enumerate(snapshots()):
        if snapshot.taken_at <= epoch:
            newest = index
    return newest


def _number(text: str) -> float:
    return float(text) if text else 0.0
