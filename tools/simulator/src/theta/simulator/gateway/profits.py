"""Profit and loss of accounts and positions, as it streams to clients.

The daily figure counts from the last close: what is held now at its mark, less what was held then
at that close, less what the day's trades cost. The realized figure is the day's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from theta.simulator.exchange.account import Account
from theta.simulator.gateway.session import Session
from theta.simulator.gateway.subscriptions import Profit
from theta.simulator.market import calendar
from theta.simulator.wire import accounts as wire

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway


@dataclass(slots=True)
class Trades:
    """The day's trades in one contract: net units bought, USD paid with fees, and what they
    realized."""

    units: float = 0.0
    paid: float = 0.0
    realized: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Units, daily, unrealized and realized profit and market value of one position, USD."""

    units: float = 0.0
    daily: float = 0.0
    unrealized: float = 0.0
    realized: float = 0.0
    worth: float = 0.0


class DayTrades:
    """Sums up each New York day's executions as they come, every one read once."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._day = ""
        self._read = 0
        self._by_account: dict[str, dict[int, Trades]] = {}

    def of(self, account: str) -> dict[int, Trades]:
        """Today's trades of an account by contract id; of a combination those of its legs."""
        exchange = self._gateway.exchange
        today = calendar.trading_date(exchange.clock.now()).isoformat()
        if today != self._day:
            self._day, self._by_account = today, {}
            self._read = len(exchange.executions)
            while self._read and exchange.executions[self._read - 1].day == today:
                self._read -= 1
        for item in exchange.executions[self._read :]:
            trades = self._by_account.setdefault(item.account, {})
            sums = trades.setdefault(item.con_id, Trades())
            signed = float(item.shares) * (1 if item.side == "BOT" else -1)
            multiplier = exchange.account.contract(item.con_id).multiplier
            sums.units += signed
            sums.paid += signed * float(item.price) * multiplier + float(item.commission)
            sums.realized += float(item.realized or 0)
        self._read = len(exchange.executions)
        return self._by_account.get(account, {})


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
    trades = gateway.streams.trades.of(account.name)
    held = {con_id for con_id, position in account.positions.items() if position.quantity}
    rows = [_figures(gateway, account, con_id, trades) for con_id in sorted(held | set(trades))]
    return (
        round(sum(row.daily for row in rows), 2),
        round(sum(row.unrealized for row in rows), 2),
        round(sum(row.realized for row in rows), 2),
    )


def of_position(
    gateway: "Gateway", account: Account, con_id: int
) -> tuple[float, float, float, float, float]:
    """Units, daily, unrealized and realized profit and market value of one position, USD."""
    row = _figures(gateway, account, con_id, gateway.streams.trades.of(account.name))
    money = (row.daily, row.unrealized, row.realized, row.worth)
    daily, open_gain, realized, worth = (round(value, 2) for value in money)
    return row.units, daily, open_gain, realized, worth


def _figures(
    gateway: "Gateway", account: Account, con_id: int, trades: dict[int, Trades]
) -> Figures:
    contract = account.contract(con_id)
    if contract.is_combination:
        return Figures()
    now = gateway.exchange.clock.now()
    today = trades.get(con_id, Trades())
    position = account.positions.get(con_id)
    units = float(position.quantity) if position else 0.0
    cost = float(position.average_cost) if position else 0.0
    mark = float(account.mark(contract, now)) * contract.multiplier if units else 0.0
    before = units - today.units
    quote = gateway.exchange.market.quote(contract, now)
    was = quote.close * contract.multiplier if before else 0.0
    return Figures(
        units=units,
        daily=units * mark - before * was - today.paid,
        unrealized=units * (mark - cost),
        realized=today.realized,
        worth=units * mark,
    )
