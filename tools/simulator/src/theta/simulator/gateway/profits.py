"""Profit and loss of accounts and positions, as it streams to clients.

The daily figure counts from the last close: what is held now at its mark, less what was held then
at the mark of that close, less what the day's trades cost. The realized figure is the day's.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from theta.simulator.exchange.account import Account
from theta.simulator.exchange.model import Execution
from theta.simulator.gateway.session import Session
from theta.simulator.gateway.subscriptions import Profit
from theta.simulator.market import calendar
from theta.simulator.wire import accounts as wire

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway


def send(gateway: "Gateway", session: Session, request: int, line: Profit) -> None:
    """The figures of one subscription, unless the client knows them already."""
    account = gateway.exchange.accounts[line.account]
    if line.con_id:
        single = of_position(gateway, account, line.con_id)
        if single != line.sent:
            line.sent = single
            session.write(wire.profit_single(session.version, request, *single))
        return
    whole = of_account(gateway, account)
    if whole != line.sent:
        line.sent = whole
        session.write(wire.profit(session.version, request, *whole))


def send_changed(gateway: "Gateway", session: Session) -> None:
    """Every subscription of a client whose figures have moved."""
    for request, line in session.subscriptions.profits.items():
        send(gateway, session, request, line)


def of_account(gateway: "Gateway", account: Account) -> tuple[float, float, float]:
    """Daily, unrealized and realized profit of an account, USD."""
    today = list(_today(gateway, account))
    touched = {item.con_id for item in today}
    held = {con_id for con_id, position in account.positions.items() if position.quantity}
    daily = open_gain = realized = 0.0
    for con_id in held | touched:
        _, by_day, by_cost, closed, _ = _figures(gateway, account, con_id, today)
        daily += by_day
        open_gain += by_cost
        realized += closed
    return round(daily, 2), round(open_gain, 2), round(realized, 2)


def of_position(
    gateway: "Gateway", account: Account, con_id: int
) -> tuple[float, float, float, float, float]:
    """Units, daily, unrealized and realized profit and market value of one position, USD."""
    figures = _figures(gateway, account, con_id, list(_today(gateway, account)))
    units, daily, open_gain, realized, worth = figures
    return units, round(daily, 2), round(open_gain, 2), round(realized, 2), round(worth, 2)


def _today(gateway: "Gateway", account: Account) -> Iterable[Execution]:
    """The day's trades of an account; of a combination those of its legs."""
    today = calendar.trading_date(gateway.exchange.clock.now()).isoformat()
    for item in reversed(gateway.exchange.executions):
        if item.day != today:
            break
        if item.account == account.name:
            yield item


def _figures(
    gateway: "Gateway", account: Account, con_id: int, today: list[Execution]
) -> tuple[float, float, float, float, float]:
    contract = account.contract(con_id)
    if contract.is_combination:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    now = gateway.exchange.clock.now()
    position = account.positions.get(con_id)
    units = float(position.quantity) if position else 0.0
    mark = float(account.mark(contract, now)) * contract.multiplier if units else 0.0
    before, paid, realized = units, 0.0, 0.0
    for item in today:
        if item.con_id == con_id:
            signed = float(item.shares) * (1 if item.side == "BOT" else -1)
            before -= signed
            paid += signed * float(item.price) * contract.multiplier + float(item.commission)
            realized += float(item.realized or 0)
    was = 0.0
    if before:
        was = float(account.mark(contract, _last_close(now))) * contract.multiplier
    cost = float(position.average_cost) if position else 0.0
    return units, units * mark - before * was - paid, units * (mark - cost), realized, units * mark


def _last_close(now: float) -> float:
    """The last instant of the session before the one of ``now``."""
    day = calendar.previous_session_day(calendar.trading_date(now))
    hours = calendar.session(day)
    return hours[1] - 1 if hours else now
