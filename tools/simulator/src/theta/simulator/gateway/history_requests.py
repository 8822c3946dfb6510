"""Historical bars, the earliest data point, and five-second bars as they form."""

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from theta.simulator.gateway.limits import PACING_TEXT
from theta.simulator.gateway.market_requests import one_contract
from theta.simulator.gateway.session import Session
from theta.simulator.gateway.subscriptions import KeptBars, LiveBars
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.reference import Bar
from theta.simulator.wire import bars as wire
from theta.simulator.wire import messages
from theta.simulator.wire.bars import BarFields
from theta.simulator.wire.fields import Fields, RequestError
from theta.simulator.wire.market_reading import (
    HistoryRequest,
    read_bars,
    read_head,
    read_history,
)

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

DAY = 86_400
WEEK, MONTH = 7 * DAY, 30 * DAY
BAR_SIZES = {
    "1 secs": 1, "5 secs": 5, "10 secs": 10, "15 secs": 15, "30 secs": 30, "1 min": 60,
    "2 mins": 120, "3 mins": 180, "4 mins": 240, "5 mins": 300, "10 mins": 600, "15 mins": 900,
    "20 mins": 1_200, "30 mins": 1_800, "1 hour": 3_600, "2 hours": 7_200, "3 hours": 10_800,
    "4 hours": 14_400, "8 hours": 28_800, "1 day": DAY, "1W": WEEK, "1M": MONTH,
}  # fmt: skip
"""Seconds of a bar by its name; weeks and months are those of the calendar."""

_ALSO = {"1 sec": 1, "1D": DAY, "1 week": WEEK, "1 month": MONTH}
_KINDS = (
    "TRADES", "ADJUSTED_LAST", "MIDPOINT", "BID", "ASK", "BID_ASK", "HISTORICAL_VOLATILITY",
    "OPTION_IMPLIED_VOLATILITY",
)  # fmt: skip
_LIVE_KINDS = ("TRADES", "MIDPOINT", "BID", "ASK")
_UNIT_SESSIONS = {"D": 1, "W": 5, "M": 21, "Y": 252}
_SESSIONS_MAX = 252 * 20
_BARS_MAX = 25_000
_SERVICE = "Historical Market Data Service error message:"
_FIVE = 5.0


def _invalid(cause: str) -> RequestError:
    return RequestError(321, f"Error validating request.-'bE' : cause - {cause}")


# -- historical bars -------------------------------------------------------------------------------


def historical_data(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Bars of one contract; with ``keepUpToDate`` also each change of the last one."""
    asked = read_history(fields, session.version)
    seconds = _bar_seconds(asked)
    _validate(asked)
    contract = one_contract(gateway, asked.query)
    pending = session.subscriptions.pending_history
    if asked.request in pending or asked.request in session.subscriptions.kept_bars:
        raise RequestError(322, "Error processing request.-'bE' : cause - Duplicate ticker id")
    _pace(gateway, session, asked, contract, seconds)
    if not gateway.limits.live_data and not gateway.limits.delayed_data:
        where = f"{contract.primary_exchange or 'SMART'} {contract.sec_type}"
        raise RequestError(162, f"{_SERVICE}No market data permissions for {where}")
    pending.add(asked.request)
    delay = gateway.behaviour.tick_delay(f"history:{session.client_id}:{contract.con_id}")
    session.later(delay, lambda: _answer(gateway, session, asked, contract, seconds))


def _bar_seconds(asked: HistoryRequest) -> int:
    seconds = BAR_SIZES.get(asked.bar_size) or _ALSO.get(asked.bar_size)
    if seconds is None:
        legal = ", ".join(BAR_SIZES)
        text = f"Historical data bar size setting is invalid. Legal ones are: {legal}"
        raise _invalid(text)
    return seconds


def _validate(asked: HistoryRequest) -> None:
    number, _, unit = asked.duration.strip().partition(" ")
    unit = unit or "S"
    if asked.what not in _KINDS:
        raise _invalid(f"Historical data type '{asked.what[:32]}' is not supported")
    if not number.isdecimal() or len(number) > 5 or int(number) == 0:
        raise _invalid("Historical data duration is not <number> S, D, W, M or Y")
    if unit not in ("S", *_UNIT_SESSIONS):
        raise _invalid("Invalid unit of the historical data duration: S, D, W, M or Y")
    if unit == "S" and int(number) > DAY:
        raise _invalid(
            "Historical data requests for durations longer than 86400 seconds must be made in days"
        )
    if unit == "D" and int(number) > 365:
        raise _invalid(
            "Historical data requests for durations longer than 365 days must be made in years"
        )
    if asked.date_format not in (1, 2):
        raise _invalid("Invalid date format: 1 for text or 2 for seconds")
    if asked.keep_up_to_date and asked.end:
        raise _invalid("End Date/Time is not supported for a request that keeps up to date")
    if asked.query.sec_type == "BAG":
        raise _invalid("Historical data are not available for a combination")
    _end_of(asked, 0.0)


def _pace(
    gateway: "Gateway", session: Session, asked: HistoryRequest, contract: Contract, seconds: int
) -> None:
    limits = gateway.limits
    largest = limits.history_smallest_bar_seconds
    if not gateway.behaviour.pacing or (0 < largest <= seconds):
        return
    error = RequestError(162, f"{_SERVICE}{PACING_TEXT}")
    identity = (
        contract.con_id, asked.end, asked.duration, seconds, asked.what, asked.regular_hours,
    )  # fmt: skip
    kind = (contract.con_id, asked.query.exchange, asked.what)
    session.subscriptions.pacing.admit(limits, gateway.loop_time(), identity, kind, error)
    if 0 < limits.history_at_once <= len(session.subscriptions.pending_history):
        raise error


def _answer(
    gateway: "Gateway", session: Session, asked: HistoryRequest, contract: Contract, seconds: int
) -> None:
    if asked.request not in session.subscriptions.pending_history:
        return
    session.subscriptions.pending_history.discard(asked.request)
    now = gateway.exchange.clock.now()
    end = _end_of(asked, now)
    start = _start_of(asked, end)
    try:
        found = collect(gateway, contract, asked, start, end, seconds)
    except RequestError as error:
        session.error(asked.request, error.code, error.text)
        return
    if not found:
        text = f"HMDS query returned no data: {contract.local_symbol}@SMART {_shown(asked.what)}"
        session.error(asked.request, 162, f"{_SERVICE}{text}")
        return
    shown = [shape(bar, asked.date_format, seconds) for bar in found]
    begun, ended = messages.broker_time(start), messages.broker_time(end)
    session.write(wire.history(session.version, asked.request, begun, ended, shown))
    if asked.keep_up_to_date:
        kept = KeptBars(asked, contract, seconds, shown[-1], now)
        session.subscriptions.kept_bars[asked.request] = kept


def _shown(what: str) -> str:
    """The kind of data as the service names it in its errors."""
    return "Trades" if what in ("TRADES", "ADJUSTED_LAST") else what.replace("_", " ").title()


def collect(
    gateway: "Gateway",
    contract: Contract,
    asked: HistoryRequest,
    start: float,
    end: float,
    seconds: int,
) -> list[Bar]:
    """Bars of a request; weeks and months are made of days. Raises ``RequestError`` 162 for more
    bars than the service gives."""
    what = "MIDPOINT" if asked.what == "BID_ASK" else asked.what
    if seconds < DAY and _trading_seconds(start, end) / seconds > _BARS_MAX:
        raise RequestError(162, f"{_SERVICE}Time length exceed max.")
    market = gateway.exchange.market
    if seconds <= DAY:
        return market.bars(contract, what, start, end, seconds, asked.regular_hours)
    days = market.bars(contract, what, start, end, DAY, asked.regular_hours)
    return _joined(days, monthly=seconds == MONTH)


def _trading_seconds(start: float, end: float) -> float:
    """About how many seconds of trading lie between two instants."""
    span = end - start
    return span if span <= DAY else span / DAY * 5 / 7 * 23_400


def _joined(days: list[Bar], *, monthly: bool) -> list[Bar]:
    """Week or month bars, each starting with its first session."""
    groups: dict[tuple[int, int], list[Bar]] = {}
    for bar in days:
        day = calendar.trading_date(bar.at)
        key = (day.year, day.month) if monthly else day.isocalendar()[:2]
        groups.setdefault(key, []).append(bar)
    found: list[Bar] = []
    for members in groups.values():
        volume = sum(bar.volume for bar in members)
        worth = sum(bar.average * max(bar.volume, 0) for bar in members)
        found.append(
            Bar(
                members[0].at,
                members[0].open,
                max(bar.high for bar in members),
                min(bar.low for bar in members),
                members[-1].close,
                volume if volume >= 0 else -1,
                round(worth / volume, 4) if volume > 0 else 0.0,
                sum(bar.count for bar in members) if volume >= 0 else -1,
            )
        )
    return found


def shape(bar: Bar, date_format: int, seconds: int) -> BarFields:
    """A bar as it goes out: days by their date whatever the format, shorter ones as text or
    seconds."""
    if seconds >= DAY:
        when = f"{calendar.trading_date(bar.at):%Y%m%d}"
    else:
        when = str(int(bar.at)) if date_format == 2 else messages.broker_time(bar.at)
    # A kind of bar without volume has no average and no count either: all three are -1.
    average = bar.average if bar.volume >= 0 else -1.0
    return BarFields(when, bar.open, bar.high, bar.low, bar.close, bar.volume, average, bar.count)


def _end_of(asked: HistoryRequest, now: float) -> float:
    """Where the bars end; New York time unless the text says UTC by its dash or names a zone."""
    if not asked.end:
        return now
    text = asked.end.strip()
    utc = "-" in text or text.upper().endswith(("UTC", "GMT"))
    parts = text.replace("-", " ").split()
    clock = parts[1] if len(parts) > 1 else "23:59:59"
    try:
        naive = datetime.strptime(f"{parts[0]} {clock}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - zone follows
    except (ValueError, IndexError):
        cause = "Invalid end date/time: yyyymmdd hh:mm:ss, with a zone if it is not New York's"
        raise _invalid(cause) from None
    asked_for = naive.replace(tzinfo=UTC if utc else calendar.NEW_YORK).timestamp()
    return min(now, asked_for) if now else asked_for


def _start_of(asked: HistoryRequest, end: float) -> float:
    """Where the bars start: sessions count for days, the clock for seconds."""
    number, _, unit = asked.duration.strip().partition(" ")
    count = int(number)
    if not unit or unit == "S":
        return _seconds_back(end, count)
    day = calendar.trading_date(end)
    hours = calendar.session(day)
    if hours is None or end <= hours[0]:
        day = calendar.previous_session_day(day)
    sessions = min(count * _UNIT_SESSIONS[unit], _SESSIONS_MAX)
    if unit in ("M", "Y") or (unit == "W" and count > 8):
        return _midnight(_calendar_back(day, count, unit))
    return _midnight(calendar.session_days_back(day, sessions)[0])


def _seconds_back(end: float, seconds: int) -> float:
    """``seconds`` of the session of ``end``, or of the last one before it."""
    day = calendar.trading_date(end)
    hours = calendar.session(day)
    if hours is None or end <= hours[0]:
        hours = calendar.session(calendar.previous_session_day(day))
    closes = min(end, hours[1]) if hours else end
    return closes - seconds


def _calendar_back(day: date, count: int, unit: str) -> date:
    """The day after the one as many weeks, months or years before ``day``."""
    if unit == "W":
        return day - timedelta(7 * count - 1)
    months = count * (12 if unit == "Y" else 1)
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(1)).day
    return date(year, month + 1, min(day.day, last)) + timedelta(1)


def _midnight(day: date) -> float:
    return datetime.combine(day, time(0), calendar.NEW_YORK).timestamp()


def cancel_historical_data(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    request = fields.integer()
    subscriptions = session.subscriptions
    if request in subscriptions.pending_history:
        subscriptions.pending_history.discard(request)
        text = f"{_SERVICE}API historical data query cancelled: {request}"
        raise RequestError(162, text)
    if subscriptions.kept_bars.pop(request, None) is None:
        raise RequestError(366, f"No historical data query found for ticker id:{request}")


def head_timestamp(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """When the data of a contract begin; 162 where it has none."""
    asked = read_head(fields)
    contract = one_contract(gateway, asked.query)
    if asked.what not in _KINDS:
        raise _invalid(f"Historical data type '{asked.what[:32]}' is not supported")
    first = gateway.exchange.market.head(contract, asked.what)
    if not first:
        text = f"HMDS query returned no data: {contract.local_symbol}@SMART {_shown(asked.what)}"
        raise RequestError(162, f"{_SERVICE}{text}")
    moment = datetime.fromtimestamp(first, UTC)
    when = str(int(first)) if asked.date_format == 2 else f"{moment:%Y%m%d-%H:%M:%S}"
    session.write(wire.head(asked.request, when))


def cancel_head_timestamp(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """The answer has always gone already."""


def stream_kept(gateway: "Gateway", session: Session) -> None:
    """The forming bar of every request that keeps up to date, where it has changed."""
    now = gateway.exchange.clock.now()
    for request, kept in list(session.subscriptions.kept_bars.items()):
        if int(now) == int(kept.looked_at):
            continue
        span = max(kept.seconds, now - kept.looked_at)
        start = now - span - (4 * DAY if kept.seconds >= DAY else kept.seconds)
        if kept.seconds > DAY:
            start = now - kept.seconds - 7 * DAY
        kept.looked_at = now
        found = collect(gateway, kept.contract, kept.asked, start, now, kept.seconds)
        shown = [shape(bar, kept.asked.date_format, kept.seconds) for bar in found]
        known = [bar.when for bar in shown]
        if kept.sent is not None and kept.sent.when in known:
            shown = shown[known.index(kept.sent.when) :]
        for bar in shown:
            if bar != kept.sent:
                kept.sent = bar
                session.write(wire.update(request, bar))


# -- five-second bars ------------------------------------------------------------------------------


def real_time_bars(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """A bar every five market seconds, the first one when the next five seconds are over."""
    asked = read_bars(fields)
    contract = one_contract(gateway, asked.query)
    running = session.subscriptions.live_bars
    if asked.request in running:
        raise RequestError(102, "Duplicate ticker ID.")
    if asked.what not in _LIVE_KINDS:
        raise RequestError(420, f"Invalid Real-time Query:Invalid type '{asked.what[:20]}'")
    if contract.is_combination:
        raise RequestError(420, "Invalid Real-time Query:No real-time bars for a combination")
    if not gateway.limits.live_data:
        where = f"{contract.primary_exchange or 'SMART'} {contract.sec_type}"
        raise RequestError(420, f"Invalid Real-time Query:No market data permissions for {where}")
    if gateway.behaviour.pacing:
        error = RequestError(420, f"Invalid Real-time Query:{PACING_TEXT}")
        identity = (contract.con_id, "live", asked.what, asked.regular_hours)
        kind = (contract.con_id, asked.query.exchange, "live", asked.what)
        pacing = session.subscriptions.pacing
        pacing.admit(gateway.limits, gateway.loop_time(), identity, kind, error)
    now = gateway.exchange.clock.now()
    first_end = (now // _FIVE + 1) * _FIVE
    running[asked.request] = LiveBars(
        asked.request, contract, asked.what, asked.regular_hours, first_end
    )


def cancel_real_time_bars(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    request = fields.integer()
    if session.subscriptions.live_bars.pop(request, None) is None:
        raise RequestError(300, f"Can't find EId with tickerId:{request}")


def stream_live(gateway: "Gateway", session: Session) -> None:
    """Every five-second bar that is over; after a jump only the last minute of them."""
    now = gateway.exchange.clock.now()
    for line in session.subscriptions.live_bars.values():
        if now < line.next_at:
            continue
        start = max(line.next_at - _FIVE, (now // _FIVE) * _FIVE - 60)
        end = (now // _FIVE) * _FIVE
        line.next_at = end + _FIVE
        market = gateway.exchange.market
        for bar in market.bars(line.contract, line.what, start, end, 5, line.regular_hours):
            shown = shape(bar, 2, 5)
            session.write(wire.real_time(line.request, int(bar.at), shown))


HANDLERS = {
    20: historical_data,
    25: cancel_historical_data,
    50: real_time_bars,
    51: cancel_real_time_bars,
    87: head_timestamp,
    90: cancel_head_timestamp,
}
