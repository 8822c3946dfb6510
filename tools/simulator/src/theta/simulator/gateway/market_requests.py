"""Market-data lines: streaming, snapshots, tick by tick, and the type of data wanted."""

from typing import TYPE_CHECKING

from theta.simulator.gateway import ticks
from theta.simulator.gateway.session import Session
from theta.simulator.gateway.subscriptions import ByTick, Line
from theta.simulator.market.contracts import Contract, Query
from theta.simulator.wire.fields import Fields, RequestError
from theta.simulator.wire.market_reading import (
    LEGAL_TICKS,
    incorrect_ticks,
    read_market_data,
    read_tick_by_tick,
)

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_LEGAL = frozenset(number for number, _ in LEGAL_TICKS)
_BY_TICK_KINDS = ("Last", "AllLast", "BidAsk", "MidPoint")


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
    """Open a line. Snapshots take no generic ticks; regulatory ones are not permitted."""
    fields.skip(1)
    request = fields.integer()
    wanted = read_market_data(fields, session.version)
    if request in session.subscriptions.lines:
        raise RequestError(322, "Error processing request.-'bW' : cause - Duplicate ticker id")
    unknown = [tick for tick in wanted.generic_ticks if tick not in _LEGAL]
    if unknown:
        listed = ",".join(str(tick) for tick in wanted.generic_ticks)
        raise incorrect_ticks(listed, wanted.query.sec_type)
    if (wanted.snapshot or wanted.regulatory) and wanted.generic_ticks:
        cause = "Snapshot market data subscription is not applicable to generic ticks"
        raise RequestError(321, f"Error validating request.-'bW' : cause - {cause}")
    if not wanted.query.exchange:
        raise RequestError(321, "Error validating request.-'bW' : cause - Please enter exchange")
    contract = one_contract(gateway, wanted.query)
    if wanted.regulatory:
        text = "Failed to request regulatory snapshot: no permission for regulatory snapshots"
        raise RequestError(10188, text)
    _within_lines(gateway)
    line = Line(request, contract, frozenset(wanted.generic_ticks), wanted.snapshot)
    _check_subscription(gateway, session, line)
    session.subscriptions.lines[request] = line
    delay = gateway.behaviour.tick_delay(f"{session.client_id}:{contract.con_id}")
    session.later(delay, lambda: ticks.first(gateway, session, line))
    if line.snapshot:
        latest = gateway.limits.snapshot_seconds
        session.later(latest, lambda: ticks.finish_snapshot(session, line))
    # Reading a chain for the first time takes a while: let that pass within the delay.
    gateway.exchange.market.quote(contract, gateway.exchange.clock.now())


def _within_lines(gateway: "Gateway") -> None:
    most = gateway.limits.market_data_lines
    lines = sum(len(other.subscriptions.lines) for other in gateway.sessions.values())
    if 0 < most <= lines:
        raise RequestError(101, "Max number of tickers has been reached")


def _check_subscription(gateway: "Gateway", session: Session, line: Line) -> None:
    """Error 354 without live data, or a warning 10167 and a delayed line for a client that wants
    those."""
    limits = gateway.limits
    if limits.live_data:
        return
    contract = line.contract
    where = contract.primary_exchange or "SMART"
    if session.market_data_type not in (3, 4):
        text = "Requested market data is not subscribed. Check API status by selecting the Account"
        more = " menu then under Management choose Market Data Subscription Manager and/or"
        known = "" if limits.delayed_data else "not "
        rest = f" availability of delayed data.Delayed market data is {known}available."
        raise RequestError(354, f"{text}{more}{rest}{contract.symbol} {where}/TOP/ALL")
    if not limits.delayed_data:
        text = "Requested market data is not subscribed. Delayed market data is not enabled."
        raise RequestError(10168, text)
    line.delayed = True
    text = "Requested market data is not subscribed. Displaying delayed market data."
    session.error(line.request, 10167, text)


def cancel_market_data(gateway: "Gateway", session: Session, fields: Fields) -> None:
    fields.skip(1)
    request = fields.integer()
    if session.subscriptions.lines.pop(request, None) is None:
        raise RequestError(300, f"Can't find EId with tickerId:{request}")


def market_data_type(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """1 live, 2 frozen, 3 delayed, 4 delayed and frozen. Where live data are subscribed, 3 gives
    live data and 4 what 2 gives."""
    fields.skip(1)
    kind = fields.integer()
    if kind not in (1, 2, 3, 4):
        raise RequestError(321, "Error validating request.-'cd' : cause - Invalid market data type")
    session.market_data_type = kind


# -- tick by tick ----------------------------------------------------------------------------------


def tick_by_tick(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Every change of a stock's trades, quotes or midpoint; the broker has none for the rest."""
    request, query, kind = read_tick_by_tick(fields)
    contract = one_contract(gateway, query)
    running = session.subscriptions.by_tick
    if request in running:
        raise RequestError(102, "Duplicate ticker ID.")
    if kind not in _BY_TICK_KINDS:
        cause = f"Invalid tick-by-tick type '{kind[:20]}'"
        raise RequestError(321, f"Error validating request.-'cu' : cause - {cause}")
    refused = "Failed to request tick-by-tick data."
    if contract.sec_type != "STK":
        text = f"{kind} tick-by-tick requests are not supported for {contract.sec_type}"
        raise RequestError(10189, f"{refused}{text}")
    if not gateway.limits.live_data:
        where = f"{contract.primary_exchange} {contract.sec_type}"
        raise RequestError(10189, f"{refused}No market data permissions for {where}")
    if 0 < gateway.limits.tick_by_tick <= len(running):
        raise RequestError(10190, "Max number of tick-by-tick requests has been reached.")
    running[request] = ByTick(request, contract, kind)


def cancel_tick_by_tick(gateway: "Gateway", session: Session, fields: Fields) -> None:
    request = fields.integer()
    if session.subscriptions.by_tick.pop(request, None) is None:
        raise RequestError(300, f"Can't find EId with tickerId:{request}")


HANDLERS = {
    1: market_data,
    2: cancel_market_data,
    59: market_data_type,
    97: tick_by_tick,
    98: cancel_tick_by_tick,
}
