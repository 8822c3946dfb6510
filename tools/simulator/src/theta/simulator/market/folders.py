"""Recordings read from folders of market data that are not part of the package."""

import csv
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from theta.simulator.errors import ScenarioError
from theta.simulator.market import calendar, chains, snapshot_files
from theta.simulator.market.recording import Key, Recording, Row
from theta.simulator.market.snapshot_files import number, right_of

_SNAPSHOT_SUFFIXES = (".csv.gz", ".csv")
_CBOE_SUFFIXES = (".json.gz", ".json")
_EOD_SUFFIXES = (".csv.xz", ".csv.gz", ".csv")
_NOT_CHAINS = frozenset({"underlying_prices", "index_summary"})
_CLOSE_SECONDS_BEFORE = 1.0
"""A chain of the end of a day counts as taken this long before the close, while quotes exist."""


def unpack(path: Path) -> bytes:
    """The contents of a plain, .gz or .xz file. Raises ``ScenarioError`` when it cannot be read."""
    try:
        packed = path.read_bytes()
        if path.suffix == ".gz":
            return gzip.decompress(packed)
        return lzma.decompress(packed) if path.suffix == ".xz" else packed
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ScenarioError(f"The market data {path} cannot be read: {error}.") from None


def _stems(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files by their name without the suffix."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        for suffix in suffixes:
            if path.name.endswith(suffix):
                found.setdefault(path.name.removesuffix(suffix), path)
                break
    return found


def require(folder: Path) -> Path:
    """``folder`` if it is one. Raises ``ScenarioError``."""
    if not folder.is_dir():
        raise ScenarioError(
            f"The folder of market data {folder} does not exist: name one that does."
        )
    return folder


# -- chains with bid and ask ---------------------------------------------------------------------


def snapshots(folder: Path) -> dict[str, Callable[[], Recording]]:
    """Symbols of a folder of dated folders, each with ``meta.json`` and one chain per symbol."""
    taken: list[chains.Snapshot] = []
    for entry in sorted(require(folder).iterdir()):
        meta = entry / "meta.json"
        if meta.is_file():
            try:
                taken.append(chains.read_meta(entry.name, meta.read_text()))
            except (ValueError, KeyError, TypeError) as error:
                raise ScenarioError(
                    f"The file {meta} is no description of a snapshot: {error}."
                ) from None
    if not taken:
        raise ScenarioError(f"The folder {folder} has no dated folder with a meta.json.")
    symbols = sorted({symbol for item in taken for symbol in item.spots})
    return {symbol: _snapshot_opener(folder, tuple(taken), symbol) for symbol in symbols}


def _snapshot_opener(
    folder: Path, taken: tuple[chains.Snapshot, ...], symbol: str
) -> Callable[[], Recording]:
    def read(index: int) -> Mapping[Key, Row]:
        files = _stems(folder / own[index].folder, _SNAPSHOT_SUFFIXES)
        if symbol not in files:
            raise ScenarioError(
                f"The folder {folder / own[index].folder} has no chain of {symbol}."
            )
        return _parsed(files[symbol], snapshot_files.rows)

    def open_it() -> Recording:
        return Recording(
            symbol=symbol,
            pins=chains.pins_of(own, symbol),
            instants=tuple(item.taken_at for item in own),
            prices=tuple(item.spots[symbol] for item in own),
            read=read,
        )

    own = tuple(item for item in taken if symbol in item.spots)
    return open_it


def _parsed(path: Path, parse: Callable[[bytes], Mapping[Key, Row]]) -> Mapping[Key, Row]:
    try:
        return parse(unpack(path))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ScenarioError(f"The market data {path} cannot be understood: {error}.") from None


# -- one day from CBOE ---------------------------------------------------------------------------


def cboe(folder: Path) -> dict[str, Callable[[], Recording]]:
    """Symbols of a folder with CBOE delayed quotes: SYMBOL_....json.gz, one or more days each."""
    by_symbol: dict[str, list[Path]] = {}
    for stem, path in _stems(require(folder), _CBOE_SUFFIXES).items():
        by_symbol.setdefault(stem.split("_")[0].upper(), []).append(path)
    if not by_symbol:
        raise ScenarioError(f"The folder {folder} has no .json or .json.gz file.")
    return {symbol: _cboe_opener(symbol, paths) for symbol, paths in by_symbol.items()}


def _cboe_opener(symbol: str, paths: list[Path]) -> Callable[[], Recording]:
    def open_it() -> Recording:
        days = sorted((_cboe_day(path) for path in paths), key=lambda item: item.taken_at)
        pins: dict[float, float] = {}
        for day in days:
            before = calendar.previous_session_day(calendar.trading_date(day.taken_at))
            pins.setdefault((calendar.session(before) or (0.0, 0.0))[1], day.prior_close)
            pins[day.taken_at] = day.spot
        return Recording(
            symbol=symbol,
            pins=tuple(sorted(pins.items())),
            instants=tuple(day.taken_at for day in days),
            prices=tuple(day.spot for day in days),
            read=lambda index: days[index].rows,
        )

    return open_it


@dataclass(frozen=True, slots=True)
class _Day:
    taken_at: float
    spot: float
    prior_close: float
    rows: Mapping[Key, Row]


def _cboe_day(path: Path) -> _Day:
    try:
        return _cboe_parse(json.loads(unpack(path)))
    except (ValueError, KeyError, TypeError) as error:
        raise ScenarioError(f"The market data {path} is no CBOE quote file: {error}.") from None


def _cboe_parse(body: dict[str, Any]) -> _Day:
    data = body["data"]
    rows: dict[Key, Row] = {}
    for item in data["options"]:
        name = item["option"]
        expiry, right, strike = f"20{name[-15:-9]}", name[-9], int(name[-8:]) / 1000
        rows[expiry, strike, right_of(right)] = Row(
            bid=float(item["bid"]),
            ask=float(item["ask"]),
            last=float(item["last_trade_price"] or 0),
            volume=int(item["volume"]),
            open_interest=int(item["open_interest"]),
        )
    # The stamp is in UTC and after the close; the quotes are the last ones of the session.
    stamp = datetime.fromisoformat(f"{body['timestamp']}+00:00").timestamp()
    day = calendar.trading_date(stamp)
    hours = calendar.session(day) or calendar.session(calendar.previous_session_day(day))
    assert hours is not None
    taken = min(stamp, hours[1] - _CLOSE_SECONDS_BEFORE)
    spot = float(data.get("current_price") or data["close"])
    prior = float(data.get("prev_day_close") or spot)
    return _Day(taken, spot, prior, rows)


# -- daily chains without quotes -----------------------------------------------------------------


def eod(folder: Path) -> dict[str, Callable[[], Recording]]:
    """Symbols of a folder of daily chains: SYMBOL.csv.xz and ``underlying_prices.csv``."""
    prices = _eod_prices(require(folder))
    files = {s: p for s, p in _stems(folder, _EOD_SUFFIXES).items() if s not in _NOT_CHAINS}
    if not files:
        raise ScenarioError(f"The folder {folder} has no chain of a symbol, as SPY.csv.xz.")
    return {
        symbol: _eod_opener(symbol, path, prices[symbol])
        for symbol, path in files.items()
        if prices.get(symbol)
    }


def _eod_prices(folder: Path) -> dict[str, dict[date, float]]:
    """Prices by symbol and session day; holidays and blank prices are left out."""
    path = folder / "underlying_prices.csv"
    found: dict[str, dict[date, float]] = {}
    try:
        lines = csv.DictReader(io.StringIO(unpack(path).decode()))
        for line in lines:
            day = date.fromisoformat(line["date"])
            if line["underlying_price"] and calendar.is_session_day(day):
                of_symbol = found.setdefault(line["symbol"], {})
                of_symbol[day] = float(line["underlying_price"])
    except (ValueError, KeyError, TypeError) as error:
        raise ScenarioError(f"The market data {path} cannot be understood: {error}.") from None
    return found


def _eod_opener(symbol: str, path: Path, prices: dict[date, float]) -> Callable[[], Recording]:
    def open_it() -> Recording:
        blocks = _eod_blocks(path)
        days = [day for day in sorted(blocks) if day in prices]
        closes = {day: (calendar.session(day) or (0.0, 0.0))[1] for day in sorted(prices)}
        pins = [(closes[day], prices[day]) for day in closes]
        if not days:
            raise ScenarioError(f"The chains {path} have no day with a price of {symbol}.")
        return Recording(
            symbol=symbol,
            pins=tuple(pins),
            instants=tuple(closes[day] - _CLOSE_SECONDS_BEFORE for day in days),
            prices=tuple(prices[day] for day in days),
            read=lambda index: _eod_rows(path, blocks[days[index]]),
        )

    return open_it


def _eod_blocks(path: Path) -> dict[date, bytes]:
    """The compressed lines of each day: a chain of months does not fit in memory parsed."""
    text = unpack(path)
    header, _, rest = text.partition(b"\n")
    if header.strip().split(b",")[:5] != [b"date", b"expiration", b"strike", b"right", b"last"]:
        raise ScenarioError(f"The market data {path} is no daily chain: its header is unknown.")
    found: dict[date, bytes] = {}
    for stamp, lines in groupby(rest.splitlines(keepends=True), key=lambda line: line[:10]):
        try:
            day = date.fromisoformat(stamp.decode())
        except ValueError:
            raise ScenarioError(f"The market data {path} has a line without a date.") from None
        if calendar.is_session_day(day):
            found[day] = zlib.compress(b"".join(lines), 1)
    return found


def _eod_rows(path: Path, block: bytes) -> Mapping[Key, Row]:
    expiries: dict[str, str] = {}
    found: dict[Key, Row] = {}
    try:
        for line in zlib.decompress(block).decode().splitlines():
            _, expiry, strike, right, last, vol, _, volume, interest = line.split(",")
            day = expiries.setdefault(expiry, expiry.replace("-", ""))
            found[day, float(strike), right_of(right)] = Row(
                bid=0.0,
                ask=0.0,
                last=number(last),
                volume=int(number(volume)),
                open_interest=int(number(interest)),
                vol=number(vol) / 100.0,
            )
    except ValueError as error:
        raise ScenarioError(f"The market data {path} cannot be understood: {error}.") from None
    return found


# -- daily closes --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Closes:
    """Daily closes of one symbol, oldest first; dates that are no session are left out."""

    symbol: str
    by_day: Mapping[date, float] = field(default_factory=dict)


def closes(folder: Path) -> dict[str, Callable[[], Closes]]:
    """Symbols of a folder of daily closes, one CSV each, in its folder or one below."""
    files: dict[str, Path] = {}
    for entry in [require(folder), *sorted(p for p in folder.iterdir() if p.is_dir())]:
        for stem, path in _stems(entry, _EOD_SUFFIXES).items():
            name = stem.removesuffix("-daily").upper()
            if name.isalnum() and len(name) <= 6:
                files.setdefault(name, path)
    if not files:
        raise ScenarioError(f"The folder {folder} has no .csv file of daily closes.")
    return {symbol: _closes_opener(symbol, path) for symbol, path in files.items()}


def _closes_opener(symbol: str, path: Path) -> Callable[[], Closes]:
    @lru_cache(maxsize=1)
    def open_it() -> Closes:
        lines = list(csv.reader(io.StringIO(unpack(path).decode())))
        heads = [name.strip().lower() for name in lines[0]] if lines else []
        column = heads.index("close") if "close" in heads else -1
        found: dict[date, float] = {}
        for line in lines[1:]:
            try:
                day, value = date.fromisoformat(line[0][:10]), float(line[column])
            except (ValueError, IndexError):
                continue  # further header lines, and days without a close
            if value > 0 and calendar.is_session_day(day):
                found[day] = value
        if column < 0 or len(found) < 2:
            raise ScenarioError(f"The market data {path} has no column of daily closes.")
        return Closes(symbol, dict(sorted(found.items())))

    return open_it
