"""A live view of a running simulator: a screen on a terminal, a line now and then elsewhere."""

import asyncio
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Final, TextIO

from theta.simulator.exchange.model import Execution, Order
from theta.simulator.market import calendar

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_SCREEN_SECONDS: Final = 1.0
_LINE_SECONDS: Final = 10.0
_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H\x1b[J"
_BOLD: Final = "\x1b[1m{}\x1b[0m"
_POSITIONS_SHOWN: Final = 6
_ORDERS_SHOWN: Final = 8
_FILLS_SHOWN: Final = 8


class View:
    """What somebody who watches wants to know, as text."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._seen = (gateway.loop_time(), self._received(), gateway.sent)

    def _received(self) -> int:
        return sum(self._gateway.messages.values())

    def _rates(self) -> tuple[float, float]:
        """Messages a second since the last call: received, sent."""
        before, received, sent = self._seen
        self._seen = (self._gateway.loop_time(), self._received(), self._gateway.sent)
        span = max(0.001, self._seen[0] - before)
        # The counts start anew when somebody resets them.
        return max(0, self._seen[1] - received) / span, max(0, self._seen[2] - sent) / span

    def clock(self) -> str:
        clock = self._gateway.exchange.clock
        now = clock.now()
        state = "open" if calendar.is_open(now) else "closed"
        pace = "paused" if clock.paused else "flat out" if clock.flat_out else f"x{clock.speed:g}"
        return f"{calendar.new_york(now):%a %Y-%m-%d %H:%M:%S} New York  {state}  {pace}"

    def line(self) -> str:
        """Everything in one line, for where there is no terminal."""
        gateway = self._gateway
        received, sent = self._rates()
        clients = ",".join(map(str, sorted(gateway.sessions))) or "none"
        armed = "; ".join(gateway.faults.armed(gateway.loop_time())) or "none"
        return (
            f"{self.clock()}  clients {clients}  orders {_counted(_orders(gateway))}"
            f"  fills {len(gateway.exchange.executions)}  {received:.0f} in/s {sent:.0f} out/s"
            f"  faults {armed}"
        )

    def screen(self, width: int, height: int) -> str:
        """A page of at most ``height`` lines, none wider than ``width``."""
        gateway = self._gateway
        received, sent = self._rates()
        lines = [f"{self.clock()}    {received:.0f} messages/s in, {sent:.0f} out", ""]
        values = gateway.exchange.account.values(gateway.exchange.clock.now())
        lines.append(
            f"{gateway.exchange.account.name}  net liquidation {values['NetLiquidation']:,}"
            f"  cash {values['TotalCashValue']:,}  excess liquidity {values['ExcessLiquidity']:,}"
        )
        lines += ["", "CLIENTS"]
        for client, session in sorted(gateway.sessions.items()):
            counts = gateway.messages_by_client.get(str(client), Counter())
            lines.append(
                f"  {client:>4}  version {session.version}"
                f"  {len(session.subscriptions.lines)} market-data lines"
                f"  {sum(counts.values())} requests"
            )
        lines += ["", "POSITIONS"]
        lines += [f"  {text}" for text in self._positions()]
        orders = _orders(gateway)
        lines += ["", f"ORDERS  {_counted(orders)}"]
        lines += [f"  {self._order(order)}" for order in orders[: -_ORDERS_SHOWN - 1 : -1]]
        lines += ["", f"LAST FILLS  of {len(gateway.exchange.executions)}"]
        fills = gateway.exchange.executions[: -_FILLS_SHOWN - 1 : -1]
        lines += [f"  {self._fill(item)}" for item in fills]
        lines += ["", "FAULTS ARMED"]
        lines += [f"  {text}" for text in gateway.faults.armed(gateway.loop_time())]
        lines += ["", "NEXT EVENTS"]
        lines += [
            f"  {event['at'][:19]}  {event['kind']}" for event in gateway.timeline.schedule.ahead(3)
        ]
        cut = [line[:width] for line in lines[: height - 1]]
        return "\n".join(_BOLD.format(text) if text[:1].isupper() else text for text in cut)

    def _positions(self) -> list[str]:
        """What the accounts hold, the largest first."""
        held = [
            (name, account.contract(position.con_id).local_symbol, position.quantity)
            for name, account in self._gateway.exchange.accounts.items()
            for position in account.positions.values()
            if position.quantity
        ]
        held.sort(key=lambda item: -abs(item[2]))
        more = [f"and {len(held) - _POSITIONS_SHOWN} more"] if len(held) > _POSITIONS_SHOWN else []
        shown = held[:_POSITIONS_SHOWN]
        return [f"{quantity:+g} {symbol}  {name}" for name, symbol, quantity in shown] + more

    def _order(self, order: Order) -> str:
        contract = self._gateway.exchange.account.contract(order.con_id)
        limit = "" if order.limit is None else f" {order.limit}"
        return (
            f"{order.status:<14} {order.action} {order.remaining:g}/{order.quantity:g}"
            f" {contract.local_symbol} {order.order_type}{limit} {order.tif}"
            f"  client {order.client_id} {order.order_ref}"
        )

    def _fill(self, item: Execution) -> str:
        contract = self._gateway.exchange.account.contract(item.con_id)
        return (
            f"{calendar.new_york(item.at):%H:%M:%S} {item.side} {item.shares:g}"
            f" {contract.local_symbol} at {item.price}  {item.order_ref}"
        )


def _orders(gateway: "Gateway") -> list[Order]:
    return [order for order in gateway.exchange.orders.values() if not order.is_final]


def _counted(orders: list[Order]) -> str:
    """How many orders live, by status."""
    counts = Counter(order.status for order in orders)
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    return told or "none"


async def watch(gateway: "Gateway", out: TextIO) -> None:
    """Show the view on ``out`` until cancelled; the terminal is left as it was."""
    view = View(gateway)
    if not out.isatty():
        while True:
            print(view.line(), file=out, flush=True)
            await asyncio.sleep(_LINE_SECONDS)
    out.write(_ENTER)
    try:
        while True:
            size = shutil.get_terminal_size()
            out.write(_HOME + view.screen(size.columns, size.lines))
            out.flush()
            await asyncio.sleep(_SCREEN_SECONDS)
    finally:
        out.write(_LEAVE)
        out.flush()
