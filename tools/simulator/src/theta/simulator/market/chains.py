"""The option chains that come with the package."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from theta.simulator.market import calendar, snapshot_files
from theta.simulator.market.recording import Chain, Economics, Key, Recording, Row

SYMBOLS = ("SPY", "QQQ", "IWM")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """When a chain was recorded and where the underlyings stood. ``session`` is the prior session
    day."""

    folder: str
    taken_at: float
    session: str
    spots: dict[str, float]
    prior_closes: dict[str, float]


def read_meta(name: str, text: str) -> Snapshot:
    """A snapshot's ``meta.json``. Raises ``ValueError`` or ``KeyError`` for another shape."""
    meta: dict[str, Any] = json.loads(text)
    tickers = meta["tickers"]
    return Snapshot(
        folder=name,
        taken_at=datetime.fromisoformat(meta["utc"]).timestamp(),
        session=meta["session"],
        spots={symbol: float(t["spot_live"]) for symbol, t in tickers.items()},
        prior_closes={symbol: float(t["spot"]) for symbol, t in tickers.items()},
    )


def pins_of(snapshots: tuple[Snapshot, ...], symbol: str) -> tuple[tuple[float, float], ...]:
    """The points a path goes through: each prior close and each price at a recording."""
    points: dict[float, float] = {}
    for snapshot in snapshots:
        hours = calendar.session(date.fromisoformat(snapshot.session))
        if hours:
            points[hours[1]] = snapshot.prior_closes[symbol]
        points[snapshot.taken_at] = snapshot.spots[symbol]
    return tuple(sorted(points.items()))


def _folder() -> Traversable:
    return files("theta.simulator") / "data" / "chains"


@cache
def snapshots() -> tuple[Snapshot, ...]:
    """Every recorded snapshot, oldest first."""
    entries = sorted(_folder().iterdir(), key=lambda item: item.name)
    return tuple(
        read_meta(entry.name, (entry / "meta.json").read_text())
        for entry in entries
        if entry.is_dir()
    )


def _rows(index: int, symbol: str) -> Mapping[Key, Row]:
    packed = (_folder() / snapshots()[index].folder / f"{symbol}.csv.gz").read_bytes()
    return snapshot_files.rows(packed)


@cache
def recording(symbol: str) -> Recording:
    """The shipped chains of SPY, QQQ or IWM."""
    taken = snapshots()
    return Recording(
        symbol=symbol,
        pins=pins_of(taken, symbol),
        instants=tuple(item.taken_at for item in taken),
        prices=tuple(item.spots[symbol] for item in taken),
        read=lambda index: _rows(index, symbol),
    )


@cache
def load(index: int, symbol: str) -> Chain:
    """The chain of ``symbol`` in snapshot number ``index``, as it was recorded."""
    taken = snapshots()[index]
    return Chain(symbol, taken.taken_at, taken.spots[symbol], _rows(index, symbol), Economics())
