"""Open orders, completed orders and executions, as clients ask for them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from theta.simulator.exchange.model import PENDING, Execution
from theta.simulator.gateway.session import Session
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.wire import messages, versioned
from theta.simulator.wire.fields import Fields, RequestError
from theta.simulator.wire.requests import ExecutionFilter, read_execution_filter

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway


def _writable(gateway: "Gateway") -> None:
    if gateway.behaviour.read_only:
        cause = "The API interface is currently in Read-Only mode."
        raise RequestError(321, f"Error validating request.-'bM' : cause - {cause}")


def open_orders(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """The client's own live orders; client 0 also gets those of the TWS window, now its own."""
    _writable(gateway)
    if session.client_id == 0:
        gateway.callbacks.bind_manual_orders()
    _list_open(gateway, session, own_only=True)


def all_open_orders(gateway: "Gateway", session: Session, fields: Fields) -> None:
    _writable(gateway)
    _list_open(gateway, session, own_only=False)


def _list_open(gateway: "Gateway", session: Session, *, own_only: bool) -> None:
    for order in list(gateway.exchange.working.values()):
        if not order.transmit or (own_only and order.client_id != session.client_id):
            continue
        order.heard = True
        view = gateway.callbacks.view(order, known=order.status != PENDING)
        session.write(versioned.open_order(session.version, view))
        session.write(versioned.order_status(session.version, view))
    session.write([53, 1])


def auto_open_orders(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Client 0 takes over the orders of the TWS window, those to come too, or no longer."""
    _writable(gateway)
    if session.client_id != 0:
        raise RequestError(327, "Only the default client (i.e 0) can auto bind orders.")
    fields.skip(1)
    gateway.callbacks.binds_manual_orders = fields.flag()
    if gateway.callbacks.binds_manual_orders:
        gateway.callbacks.bind_manual_orders()


def completed_orders(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Orders that ended today in New York; those placed by API clients alone when asked so."""
    _writable(gateway)
    api_only = fields.flag()
    today = calendar.trading_date(gateway.exchange.clock.now())
    for order in gateway.exchange.orders.values():
        if order.ended_at is None or calendar.trading_date(order.ended_at) != today:
            continue
        if api_only and order.client_id == 0 and order.order_id == 0:
            continue
        order.heard = True
        view = gateway.callbacks.view(order)
        ended = messages.broker_time(order.ended_at)
        session.write(versioned.completed_order(session.version, view, ended))
    session.write([102])


def executions(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Today's executions of the login; commissions of the asking client's own, of all for the
    master client."""
    fields.skip(1)
    request = fields.integer()
    wanted = read_execution_filter(fields)
    since = max(_filter_time(wanted.time), gateway.faults.executions_from)
    today = calendar.trading_date(gateway.exchange.clock.now()).isoformat()
    late: list[Execution] = []
    master = session.client_id == gateway.behaviour.master_client_id
    for item in _of_day(gateway, today):
        contract = gateway.exchange.account.contract(item.con_id)
        if item.at < since or not _passes(item, contract, wanted):
            continue
        order = gateway.exchange.orders.get(item.perm_id)
        if order is not None:
            order.heard = True
        session.write(versioned.execution(session.version, request, contract, item))
        if contract.is_combination or not (master or item.client_id == session.client_id):
            continue
        if gateway.behaviour.polite:
            session.write(messages.commission_report(item))
        else:
            late.append(item)
    session.write(messages.end(55, request))
    for item in late:
        session.write(messages.commission_report(item))


def _of_day(gateway: "Gateway", day: str) -> list[Execution]:
    """The executions of a New York date, earliest first."""
    found: list[Execution] = []
    for item in reversed(gateway.exchange.executions):
        if item.day < day:
            break
        if item.day == day:
            found.append(item)
    return found[::-1]


def _passes(item: Execution, contract: Contract, wanted: ExecutionFilter) -> bool:
    return (
        wanted.client_id in (0, item.client_id)
        and wanted.account in ("", item.account)
        and wanted.symbol in ("", contract.symbol)
        and wanted.sec_type in ("", contract.sec_type)
        and wanted.exchange in ("", "SMART", item.exchange)
        and wanted.side.upper() in ("", "BUY" if item.side == "BOT" else "SELL", item.side)
    )


def _filter_time(text: str) -> float:
    """The lower bound of an execution filter; New York time unless the text says UTC by its
    dash."""
    if not text:
        return 0.0
    parts = text.replace("-", " ").split()
    try:
        naive = datetime.strptime(" ".join(parts[:2]), "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - zone follows
    except ValueError:
        cause = "The time of the execution filter is not yyyymmdd hh:mm:ss"
        raise RequestError(321, f"Error validating request.-'bV' : cause - {cause}") from None
    return naive.replace(tzinfo=UTC if "-" in text else calendar.NEW_YORK).timestamp()


HANDLERS = {
    5: open_orders,
    7: executions,
    15: auto_open_orders,
    16: all_open_orders,
    99: completed_orders,
}
