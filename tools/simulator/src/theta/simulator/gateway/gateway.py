"""Ties connections, requests, exchange and faults together."""

import asyncio
from collections import Counter
from collections.abc import Callable

from theta.simulator.exchange.behaviour import Behaviour
from theta.simulator.exchange.exchange import Exchange, next_order_id
from theta.simulator.exchange.matching import Fill, money
from theta.simulator.exchange.model import Order
from theta.simulator.faults.faults import Faults
from theta.simulator.faults.schedule import Schedule
from theta.simulator.gateway import (
    account_messages,
    account_requests,
    history_requests,
    market_requests,
    news_requests,
    option_requests,
    order_lists,
    order_requests,
    reference_requests,
    refused_requests,
    ticks,
)
from theta.simulator.gateway.callbacks import Callbacks
from theta.simulator.gateway.limits import DEFAULT_LIMITS, Limits
from theta.simulator.gateway.pulse import Pulse
from theta.simulator.gateway.session import Session
from theta.simulator.gateway.streams import Streams
from theta.simulator.gateway.timeline import Timeline
from theta.simulator.wire import codes, messages
from theta.simulator.wire.fields import Fields, RequestError

Handler = Callable[["Gateway", Session, Fields], None]

_HANDLERS: dict[int, Handler] = {
    **order_requests.HANDLERS,
    **order_lists.HANDLERS,
    **account_requests.HANDLERS,
    **market_requests.HANDLERS,
    **reference_requests.HANDLERS,
    **history_requests.HANDLERS,
    **option_requests.HANDLERS,
    **news_requests.HANDLERS,
    **refused_requests.HANDLERS,
}
_START_API = 71
_COUNTED_MAX = 1_000
"""Clients whose requests are counted one by one."""


class Gateway:
    """One simulated gateway. Lives on one event loop; nothing here is safe to call from another
    thread."""

    def __init__(
        self,
        exchange: Exchange,
        behaviour: Behaviour,
        limits: Limits = DEFAULT_LIMITS,
        schedule: Schedule | None = None,
    ) -> None:
        self.exchange = exchange
        self.behaviour = behaviour
        self.limits = limits
        self.faults = Faults()
        self.timeline = Timeline(self, schedule or Schedule())
        self.sessions: dict[int, Session] = {}
        self.bulletins: list[news_requests.Bulletin] = []
        self.callbacks = Callbacks(self)
        self.messages: Counter[str] = Counter()
        self.messages_by_client: dict[str, Counter[str]] = {}
        self.pacing_violations = 0
        self.sent = 0
        """Messages sent to all clients."""

        self.closed = False
        self._connections: set[Session] = set()
        self.pulse = Pulse(lambda: bool(self._connections) and not self.closed)
        self._loop = asyncio.get_running_loop()
        self.streams = Streams(self)
        exchange.listener = self.callbacks

    # -- connections -------------------------------------------------------------------------------

    def opened(self, session: Session) -> bool:
        """Whether the connection may stay."""
        faults = self.faults
        if faults.logged_out or self._loop.time() < faults.refuse_connections_until:
            return False
        alive = sum(not other.frozen for other in self._connections)
        if 0 < self.limits.connections <= alive:
            return False
        self._connections.add(session)
        self.pulse.start()
        if faults.mute:
            session.freeze()
        return True

    def gone(self, session: Session) -> None:
        self._connections.discard(session)
        self.faults.delivery.forget(session)
        client = session.client_id
        if client is None or self.sessions.get(client) is not session:
            return
        del self.sessions[client]
        wanted = self.faults.fill_on_disconnect
        if wanted is not None:
            self.faults.fill_on_disconnect = None
            for order in list(self.exchange.orders.values()):
                mine = order.client_id == client and not order.is_final
                if mine and wanted in ("*", order.order_ref):
                    self.fill_now(order)

    def connections(self) -> list[Session]:
        return list(self._connections)

    def broadcast(self, code: int, text: str) -> None:
        """Send a system message to every client; 1100 and 1101/1102 also hold and release
        callbacks."""
        if code in (1100, 2110):
            self.faults.upstream_lost = True
        for session in self.sessions.values():
            session.error(-1, code, text)
            if code == 1101:
                for request in session.subscriptions.lose_market_data():
                    session.error(request, 10182, "Failed to request live updates (disconnected).")
        if code in (1101, 1102):
            self.faults.upstream_lost = False
            self.callbacks.release()
            for session in self.sessions.values():
                for line in list(session.subscriptions.lines.values()):
                    if not line.started:
                        ticks.first(self, session, line)

    # -- requests ----------------------------------------------------------------------------------

    def count(self, client: int | None, number: int) -> None:
        name = codes.REQUEST_NAMES.get(number, "unknown")
        self.messages[name] += 1
        key = str(client)
        if key not in self.messages_by_client and len(self.messages_by_client) >= _COUNTED_MAX:
            key = "others"
        self.messages_by_client.setdefault(key, Counter())[name] += 1

    def handle(self, session: Session, number: int, fields: Fields) -> None:
        """Answer one request. Raises ``RequestError`` for what TWS answers with an error."""
        if number == _START_API:
            self._start(session, fields)
            return
        if session.client_id is None:
            raise RequestError(504, "Not connected")
        handler = _HANDLERS.get(number)
        if handler is not None:
            handler(self, session, fields)
        elif number in codes.REQUEST_NAMES:
            name = codes.REQUEST_NAMES[number]
            if not name.startswith("cancel"):
                text = f"Error processing request.-'{name}' : cause - not supported by this gateway"
                raise RequestError(322, text)
        else:
            raise RequestError(505, "Fatal Error: Unknown message id.")

    def _start(self, session: Session, fields: Fields) -> None:
        if session.client_id is not None:
            raise RequestError(501, "Already connected.")
        fields.skip(1)
        client = fields.integer()
        if client in self.sessions:
            text = "Unable to connect as the client id is already in use."
            session.error(-1, 326, f"{text} Retry with a unique client id.")
            session.finish()
            return
        session.client_id = client
        self.sessions[client] = session
        session.write(messages.managed_accounts(",".join(account_messages.names(self))))
        session.write(messages.next_valid_id(next_order_id(self.exchange, client)))
        for code in codes.CONNECT_NOTICES:
            session.error(-1, code, codes.BROADCAST_TEXTS[code])
        if self.faults.upstream_lost:
            session.error(-1, 1100, codes.BROADCAST_TEXTS[1100])

    # -- time --------------------------------------------------------------------------------------

    def after(self, delay: float, action: Callable[[], None]) -> None:
        self._loop.call_later(delay, self._unless_closed, action)

    def _unless_closed(self, action: Callable[[], None]) -> None:
        if not self.closed:
            action()

    async def run(self) -> None:
        """Keep the market, and what is told of it, moving until cancelled."""
        await self.timeline.run()

    def loop_time(self) -> float:
        """Process time of the loop, in seconds."""
        return self._loop.time()

    def fill_now(self, order: Order, quantity: int = 0, at_price: float | None = None) -> None:
        """Trade ``quantity`` of a live order (0: all that remains), whatever the market is.

        The price is ``at_price``, else the order's limit, else the mark.
        """
        contract = self.exchange.account.contract(order.con_id)
        now = self.exchange.clock.now()
        mark = money(self.exchange.market.quote(contract, now).mark)
        price = order.limit if order.limit is not None else mark
        if at_price is not None:
            price = money(at_price)
        self.exchange.fill(order, Fill(quantity or int(order.remaining), price), now)
