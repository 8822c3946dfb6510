"""Reads market-data, history and contract requests as every negotiated version lays them out."""

from dataclasses import dataclass, replace

from theta.simulator.market.contracts import Leg, Query
from theta.simulator.wire.fields import Fields, RequestError, malformed
from theta.simulator.wire.requests import read_query

_LEGS_MAX = 100
_BAG = "BAG"


@dataclass(frozen=True, slots=True)
class MarketDataRequest:
    """A line as asked for; ``regulatory`` asks for a regulatory snapshot."""

    query: Query
    generic_ticks: tuple[int, ...]
    snapshot: bool
    regulatory: bool


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Historical bars as asked for; ``end`` is empty for now, ``date_format`` 1 text or 2 epoch."""

    request: int
    query: Query
    end: str
    bar_size: str
    duration: str
    regular_hours: bool
    what: str
    date_format: int
    keep_up_to_date: bool


@dataclass(frozen=True, slots=True)
class HeadRequest:
    """The earliest data point as asked for."""

    request: int
    query: Query
    regular_hours: bool
    what: str
    date_format: int


@dataclass(frozen=True, slots=True)
class BarsRequest:
    """Five-second bars as asked for."""

    request: int
    query: Query
    seconds: int
    what: str
    regular_hours: bool


@dataclass(frozen=True, slots=True)
class ExerciseRequest:
    """An exercise (``action`` 1) or lapse (2) of ``quantity`` options."""

    request: int
    query: Query
    action: int
    quantity: int
    account: str
    override: bool


def read_contract_query(fields: Fields, version: int) -> tuple[int, Query]:
    """Request id and description of a contract-details request."""
    fields.skip(1)
    request = fields.integer()
    query = _expired_too(read_query(fields), fields)
    fields.skip(3 if version >= 176 else 2)
    return request, query


def read_market_data(fields: Fields, version: int) -> MarketDataRequest:
    """A market-data request after its request id. Raises ``RequestError`` 321 for generic ticks
    that are no numbers."""
    query = _legs(read_query(fields), fields)
    if fields.flag():
        fields.skip(3)
    listed = fields.text()
    ticks = [part.split(":")[0].strip() for part in listed.split(",") if part.strip()]
    if not all(tick.isdecimal() and len(tick) < 6 for tick in ticks):
        raise incorrect_ticks(listed, query.sec_type)
    snapshot = fields.flag()
    regulatory = fields.flag() if version >= 114 else False
    return MarketDataRequest(query, tuple(int(tick) for tick in ticks), snapshot, regulatory)


def incorrect_ticks(listed: str, sec_type: str) -> RequestError:
    """The answer to a list of generic ticks that TWS does not know."""
    legal = ",".join(f"{number}({name})" for number, name in LEGAL_TICKS)
    cause = f"Incorrect generic tick list of {listed[:80]}.  Legal ones for ({sec_type}) are: "
    return RequestError(321, f"Error validating request.-'bW' : cause - {cause}{legal}")


LEGAL_TICKS: tuple[tuple[int, str], ...] = (
    (100, "Option Volume"), (101, "Option Open Interest"), (104, "Historical Volatility"),
    (105, "Average Opt Volume"), (106, "impvolat"), (165, "Misc. Stats"),
    (220, "Creditman Mark Price"), (221, "Mark Price"), (225, "Auction"), (232, "Pl Price"),
    (233, "RTVolume"), (236, "inventory"), (258, "Fundamentals"), (292, "Wide_news"),
    (293, "TradeCount"), (294, "TradeRate"), (295, "VolumeRate"), (318, "LastRTHTrade"),
    (375, "RTTrdVolume"), (411, "rthistvol"), (456, "IBDividends"), (460, "Bond Factor Multiplier"),
    (577, "EtfNavLast(navlast)"), (586, "IPOHLMPRC"), (587, "Pl Price Delayed"),
    (588, "Futures Open Interest"), (595, "Short-Term Volume X Mins"),
    (614, "EtfNavMisc(high/low)"), (619, "Creditman Slow Mark Price"),
    (623, "EtfFrozenNavLast(fznavlast)"),
)  # fmt: skip
"""Generic ticks that TWS takes; those without data here are accepted and stay silent."""


def read_history(fields: Fields, version: int) -> HistoryRequest:
    """A historical-data request."""
    if version < 124:
        fields.skip(1)
    request = fields.integer()
    query = _expired_too(read_query(fields), fields)
    end, bar_size, duration = fields.text(), fields.text(), fields.text()
    regular, what, date_format = fields.flag(), fields.text(), fields.integer(1)
    query = _legs(query, fields)
    keep = fields.flag() if version >= 124 else False
    return HistoryRequest(
        request, query, end, bar_size, duration, regular, what.upper(), date_format, keep
    )


def read_head(fields: Fields) -> HeadRequest:
    """A request for the earliest data point."""
    request = fields.integer()
    query = _expired_too(read_query(fields), fields)
    regular, what = fields.flag(), fields.text()
    return HeadRequest(request, query, regular, what.upper(), fields.integer(1))


def read_bars(fields: Fields) -> BarsRequest:
    """A request for real-time bars."""
    fields.skip(1)
    request, query = fields.integer(), read_query(fields)
    return BarsRequest(request, query, fields.integer(), fields.text().upper(), fields.flag())


def read_tick_by_tick(fields: Fields) -> tuple[int, Query, str]:
    """Request id, contract and kind of a tick-by-tick request."""
    request, query = fields.integer(), read_query(fields)
    return request, query, fields.text()


def read_exercise(fields: Fields) -> ExerciseRequest:
    """An exercise, whose contract comes without its primary exchange."""
    fields.skip(1)
    request = fields.integer()
    query = Query(
        con_id=fields.integer(),
        symbol=fields.text(),
        sec_type=fields.text(),
        expiry=fields.text(),
        strike=fields.number(),
        right=fields.text(),
        multiplier=fields.text(),
        exchange=fields.text(),
        currency=fields.text(),
        local_symbol=fields.text(),
        trading_class=fields.text(),
    )
    action, quantity = fields.integer(), fields.integer()
    return ExerciseRequest(request, query, action, quantity, fields.text(), fields.flag())


def _expired_too(query: Query, fields: Fields) -> Query:
    return replace(query, include_expired=True) if fields.flag() else query


def _legs(query: Query, fields: Fields) -> Query:
    """The query with the legs that follow it when it is a combination."""
    if query.sec_type != _BAG:
        return query
    count = fields.integer()
    if not 0 <= count <= _LEGS_MAX:
        raise malformed("The number of legs is impossible.")
    legs = [
        Leg(fields.integer(), fields.integer(), fields.text().upper(), fields.text())
        for _ in range(count)
    ]
    return replace(query, legs=tuple(legs))
