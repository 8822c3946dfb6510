"""Market data and historical bars."""

from datetime import date, datetime
from typing import TYPE_CHECKING

from theta.simulator.gateway import ticks
from theta.simulator.gateway.session import Session
from theta.simulator.gateway.subscriptions import Line
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract, Query
from theta.simulator.wire import messages
from theta.simulator.wire.fields import Fields, RequestError
from theta.simulator.wire.requests import HistoryRequest, read_history, read_market_data

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_LINES_MAX = 100
_DAYS_PER = {"D": 1.0, "W": 5.0, "M": 21.0, "Y": 252.0}
_DAYS_MAX = 700


def one_contract(gateway: "Gateway", query: Query) -> Contract:
    """The contract meant by a market-data request; error 200 when there is none or more than
    one."""
    found = gateway.exchange.market.find(query, gateway.exchange.clock.now())
    if not found:
        raise RequestError(200, "No security definition has been found for the request")
    if len(found) > 1:
        raise RequestError(200, "The contract description specified for the request is ambiguous")
    return found[0]


def market_data(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    request = fields.integer()
    wanted = read_market_data(fields)
    if request in session.subscriptions.lines:
        raise RequestError(322, "Error processing request.-'bW' : cause - Duplicate ticker id")
    if wanted.snapshot and wanted.generic_ticks:
        cause = "Snapshot market data subscription is not applicable to generic ticks"
        raise RequestError(321, f"Error validating request.-'bW' : cause - {cause}")
    if not wanted.query.exchange:
        raise RequestError(321, "Error validating request.-'bW' : cause - Please enter exchange")
    contract = one_contract(gateway, wanted.query)
    lines = sum(len(other.subscriptions.lines) for other in gateway.sessions.values())
    if lines >= _LINES_MAX:
        raise RequestError(101, "Max number of tickers has been reached")
    line = Line(request, contract, wanted.generic_ticks, wanted.snapshot)
    session.subscriptions.lines[request] = line
    delay = gateway.behaviour.tick_delay(f"{session.client_id}:{contract.con_id}")
    session.later(delay, lambda: ticks.first(gateway, session, line))
    # Reading a chain for the first time takes a while: let that pass within the delay.
    gateway.exchange.market.quote(contract, gateway.exchange.clock.now())


def cancel_market_data(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    request = fields.integer()
    if session.subscriptions.lines.pop(request, None) is None:
        raise RequestError(300, f"Can't find EId with tickerId:{request}")


def market_data_type(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    kind = fields.integer()
    if kind not in (1, 2, 3, 4):
        raise RequestError(321, "Error validating request.-'cd' : cause - Invalid market data type")
    session.market_data_type = kind


def historical_data(gateway: "Gateway", session: Session, fields: Fields) -> None:
    request = fields.integer()
    wanted = read_history(fields)
    contract = one_contract(gateway, wanted.query)
    last, count = _span(gateway, wanted)
    if contract.is_option:
        text = "Historical Market Data Service error message:HMDS query returned no data: "
        raise RequestError(162, f"{text}{contract.local_symbol}@SMART {wanted.what}")
    bars = _daily_bars(gateway, contract, last, count)
    start = messages.broker_time(_start_of(calendar.session_days_back(last, count)[0]))
    finish = messages.broker_time(gateway.exchange.clock.now())
    delay = gateway.behaviour.tick_delay(f"history:{session.client_id}:{contract.con_id}")
    session.later(delay, lambda: session.write(messages.history(request, start, finish, bars)))


def _span(gateway: "Gateway", wanted: HistoryRequest) -> tuple[date, int]:
    """Last session day and number of days; error 321 for what is not daily bars of trades."""
    number, _, unit = wanted.duration.partition(" ")
    problem = ""
    if wanted.bar_size not in ("1 day", "1D"):
        problem = "Historical data bar size setting is not supported by this gateway: only 1 day is"
    elif wanted.what not in ("TRADES", "ADJUSTED_LAST", "MIDPOINT", "BID", "ASK"):
        problem = f"Historical data for {wanted.what[:32]} is not supported by this gateway"
    elif wanted.keep_up_to_date:
        problem = "Updating historical data is not supported by this gateway"
    elif not number.isdecimal() or len(number) > 3 or unit not in _DAYS_PER or int(number) == 0:
        problem = "Historical data duration is not <number> D, W, M or Y"
    if problem:
        raise RequestError(321, f"Error validating request.-'bE' : cause - {problem}")
    last = calendar.trading_date(_end_of(gateway, wanted.end))
    if not calendar.is_session_day(last):
        last = calendar.previous_session_day(last)
    days = max(1, round(int(number) * _DAYS_PER[unit]))
    return last, min(days, _DAYS_MAX)


def _end_of(gateway: "Gateway", text: str) -> float:
    now = gateway.exchange.clock.now()
    if not text:
        return now
    parts = text.replace("-", " ").split()
    try:
        naive = datetime.strptime(" ".join(parts[:2]), "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - zone follows
    except ValueError:
        cause = "The end time is not yyyymmdd hh:mm:ss"
        raise RequestError(321, f"Error validating request.-'bE' : cause - {cause}") from None
    return min(now, naive.replace(tzinfo=calendar.NEW_YORK).timestamp())


def _start_of(day: date) -> float:
    hours = calendar.session(day)
    assert hours is not None
    return hours[0]


def _daily_bars(
    gateway: "Gateway", contract: Contract, last: date, count: int
) -> list[tuple[object, ...]]:
    """Daily bars up to ``last``; today's ends at the current price."""
    market, now = gateway.exchange.market, gateway.exchange.clock.now()
    path = market.paths[contract.symbol]
    bars: list[tuple[object, ...]] = []
    for day in calendar.session_days_back(last, count):
        opens, closes = calendar.session(day) or (0.0, 0.0)
        if opens > now:
            continue
        close = market.spot(contract.symbol, now) if now < closes else path.close(day)
        before = path.close(calendar.previous_session_day(day))
        opening = before + (close - before) * market.jitter("open", contract.symbol, day)
        reach = abs(close - before) * 0.5 + close * 0.002
        high = max(opening, close) + reach * market.jitter("high", contract.symbol, day)
        low = min(opening, close) - reach * market.jitter("low", contract.symbol, day)
        volume = int(30e6 + 30e6 * market.jitter("volume", contract.symbol, day))
        shown = [round(value, 2) for value in (opening, high, low, close)]
        average = round((high + low + close) / 3, 3)
        bars.append((f"{day:%Y%m%d}", *shown, volume, average, volume // 120))
    return bars


HANDLERS = {
    1: market_data,
    2: cancel_market_data,
    20: historical_data,
    59: market_data_type,
}
