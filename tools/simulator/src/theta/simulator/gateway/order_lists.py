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


def open_orders(gateway: "Gateway", session: Session, fields: Fields) -> None:
    _list_open(gateway, session, own_only=True)


def all_open_orders(gateway: "Gateway", session: Session, fields: Fields) -> None:
    _list_open(gateway, session, own_only=False)


def _list_open(gateway: "Gateway", session: Session, *, own_only: bool) -> None:
    for order in gateway.exchange.orders.values():
        if order.is_final or (own_only and order.client_id != session.client_id):
            continue
        order.heard = True
        view = gateway.callbacks.view(order, known=order.status != PENDING)
        session.write(versioned.open_order(session.version, view))
        session.write(versioned.order_status(session.version, view))
    session.write([53, 1])


def auto_open_orders(gateway: "Gateway", session: Session, fields: Fields) -> None:
    if session.client_id != 0:
        raise RequestError(327, "Only the default client (i.e 0) can auto bind orders.")


def completed_orders(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Orders that ended today in New York."""
    today = calendar.trading_date(gateway.exchange.clock.now())
    for order in gateway.exchange.orders.values():
        if order.ended_at is None or calendar.trading_date(order.ended_at) != today:
            continue
        order.heard = True
        view = gateway.callbacks.view(order)
        ended = messages.broker_time(order.ended_at)
        session.write(versioned.completed_order(session.version, view, ended))
    session.write([102])


def executions(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Today's executions of the account; commissions of the asking client's own."""
    fields.skip(1)
    request = fields.integer()
    wanted = read_execution_filter(fields)
    since = _filter_time(wanted.time)
    today = calendar.trading_date(gateway.exchange.clock.now()).isoformat()
    late: list[Execution] = []
    for item in gateway.exchange.executions:
        contract = gateway.exchange.account.contract(item.con_id)
        if item.day != today or item.at < since or not _passes(item, contract, wanted):
            continue
        gateway.exchange.orders[item.perm_id].heard = True
        session.write(versioned.execution(session.version, request, contract, item))
        if item.client_id != session.client_id:
            continue
        if gateway.behaviour.polite:
            session.write(messages.commission_report(item))
        else:
            late.append(item)
    session.write(messages.end(55, request))
    for item in late:
        session.write(messages.commission_report(item))


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
