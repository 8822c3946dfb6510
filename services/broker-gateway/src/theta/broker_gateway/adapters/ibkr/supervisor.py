"""Keeps one connection to TWS: makes it, fills it, feels its pulse, makes it again.

Always with the same client id: it is the fence against a second gateway (order-protocol §7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from theta.broker_gateway.adapters.ibkr.codes import CodeAction, Level, lookup
from theta.broker_gateway.adapters.ibkr.inquiries import Inquiries
from theta.broker_gateway.adapters.ibkr.link import ConnectRefusedError, Link
from theta.broker_gateway.adapters.ibkr.market_time import MarketTimeEstimator
from theta.broker_gateway.adapters.ibkr.pacing import Lane
from theta.broker_gateway.ports import SessionState
from theta.common.errors import ThetaError
from theta.common.ports import ProcessClock
from theta.common.telemetry.logs import get_logger

CLIENT_ID_IN_USE = 326
_log = get_logger(__name__)


class SessionObserver(Protocol):
    """Whoever acts on the session's life. Called on the session loop; must not block or raise."""

    def on_connected(self, state: SessionState) -> None:
        """TWS accepted us; the start-up fetch begins."""
        ...

    def on_disconnected(self, reason: str) -> None:
        """A connection that was up has ended; it is being made again."""
        ...

    def on_ready(self) -> None:
        """Reconcile: the start-up fetch is complete, or the link to the broker is back."""
        ...

    def on_notice(self, code: int, message: str, level: Level) -> None:
        """The broker or the session has something to say. Code 0: the session itself."""
        ...


class GuardedObserver:
    """Passes everything on, and survives an observer that raises: the broker must be heard."""

    def __init__(self, observer: SessionObserver) -> None:
        self._observer = observer

    def on_connected(self, state: SessionState) -> None:
        self._guard(lambda: self._observer.on_connected(state))

    def on_disconnected(self, reason: str) -> None:
        self._guard(lambda: self._observer.on_disconnected(reason))

    def on_ready(self) -> None:
        self._guard(self._observer.on_ready)

    def on_notice(self, code: int, message: str, level: Level) -> None:
        self._guard(lambda: self._observer.on_notice(code, message, level))

    def _guard(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception:  # noqa: BLE001 - logged; the callback that told it must go on
            _log.exception("the session's observer failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTimings:
    """Process seconds. The defaults are for production; tests shorten them."""

    backoff_first: float = 0.5
    backoff_most: float = 30.0
    heartbeat: float = 2.0
    silence: float = 10.0
    request: float = 15.0
    id_in_use_alert: float = 60.0
    link_down_page: float = 300.0
    unreachable_page: float = 300.0


class Supervisor:
    """The life of the session. `run` ends only when cancelled."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        make_link: Callable[[int], Link],
        next_connection_no: Callable[[], int],
        observer: SessionObserver,
        clock: ProcessClock,
        market_time: MarketTimeEstimator,
        state: Callable[[], SessionState],
        on_up: Callable[[Link], None],
        timings: SessionTimings,
    ) -> None:
        self._host = host
        self._port = port
        self._make_link = make_link
        self._next_connection_no = next_connection_no
        self._observer = observer
        self._clock = clock
        self._market_time = market_time
        self._state = state
        self._on_up = on_up
        self._timings = timings
        self._backoff = timings.backoff_first
        self._id_refused_since: float | None = None
        self._id_alerted = False
        self._unreachable_since: float | None = None
        self._unreachable_paged = False
        self.link: Link | None = None
        self.broker_link = True
        self._refetch = asyncio.Event()
        self._link_down_page: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Connect, serve, connect again, until cancelled."""
        try:
            while True:
                await self._once()
                await asyncio.sleep(self._backoff)
                self._backoff = min(self._backoff * 2, self._timings.backoff_most)
        finally:
            self._disarm()
            if self.link is not None:
                self.link.close("the session is being stopped")

    def on_code(self, action: CodeAction) -> None:
        """Act on a code that concerns the session. Called by the session for each message."""
        if action is CodeAction.LINK_DOWN:
            self.broker_link = False
            self._arm()
        elif action in (CodeAction.LINK_UP, CodeAction.LINK_UP_DATA_LOST):
            self.broker_link = True
            self._disarm()
            if self.link is not None and self.link.fetched:
                if action is CodeAction.LINK_UP_DATA_LOST:
                    self.link.fetched = False
                    self._refetch.set()
                else:
                    self._observer.on_ready()
        elif action is CodeAction.RECONNECT and self.link is not None and self.link.is_up:
            self.link.close("TWS asked for a new connection")

    # -- one connection --------------------------------------------------------------------------

    async def _once(self) -> None:
        try:
            link = await self._connect()
        except ConnectRefusedError as error:
            self._note_refusal(error)
            return
        except (OSError, TimeoutError, ThetaError) as error:
            self._observer.on_notice(502, f"cannot connect to TWS: {error}", Level.WARN)
            self._note_unreachable()
            return
        except Exception as error:  # noqa: BLE001 - the session must outlive a failing database
            _log.exception("connection attempt failed")
            self._observer.on_notice(0, f"cannot connect to TWS: {error}", Level.WARN)
            return
        self._id_refused_since, self._id_alerted = None, False
        self._unreachable_since, self._unreachable_paged = None, False
        self._observer.on_connected(self._state())
        try:
            reason = await self._serve(link)
        finally:
            link.close("the connection is given up")
            self._disarm()
        self._observer.on_disconnected(reason)

    async def _connect(self) -> Link:
        # The number is kept in the database: not on this loop's thread.
        number = await asyncio.to_thread(self._next_connection_no)
        link = self._make_link(number)
        self.link, self.broker_link = link, True
        self._refetch.clear()
        try:
            await link.connect(self._host, self._port)
        except BaseException:
            link.close("the connection was not made")
            raise
        self._on_up(link)
        return link

    async def _serve(self, link: Link) -> str:
        """Fetch and feel the pulse until the connection ends; return why it ended."""
        tasks = {
            asyncio.ensure_future(self._keep_fetched(link)),
            asyncio.ensure_future(self._feel_pulse(link)),
        }
        try:
            ends: set[asyncio.Future[Any]] = {*tasks, link.lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and not task.cancelled() and not link.lost.done():
                    error = task.exception()
                    return str(error) if error else "the session stopped watching the connection"
            return link.lost.result() if link.lost.done() else "the connection ended"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_fetched(self, link: Link) -> None:
        while True:
            await self._fetch(link)
            link.fetched = True
            self._backoff = self._timings.backoff_first
            self._observer.on_ready()
            await self._refetch.wait()
            self._refetch.clear()

    async def _fetch(self, link: Link) -> None:
        """Ask for all that a start needs, each by itself; raise when any did not answer."""
        await link.may_send(Lane.CONTROL, self._timings.request)
        link.ib.client.reqMarketDataType(1)
        ask, seconds = Inquiries(link), self._timings.request
        await ask.open_orders(seconds)
        await ask.completed_orders(seconds)
        # After the orders, so that every fill finds its order.
        await ask.executions(seconds)
        if self._market_time.observed_at is None:
            await self._beat(link)
        for account in link.accounts:
            await ask.download(account, seconds)

    async def _feel_pulse(self, link: Link) -> None:
        # Three quick ones first: a sped-up market clock shows its rate at once.
        for pause in (0.25, 0.5, 1.0):
            await self._beat(link)
            await asyncio.sleep(min(pause, self._timings.heartbeat))
        while True:
            await self._beat(link)
            await asyncio.sleep(self._timings.heartbeat)

    async def _beat(self, link: Link) -> None:
        sent = 0.0

        def send() -> None:
            nonlocal sent
            sent = self._clock.boottime_seconds()
            link.ib.client.reqCurrentTime()

        told = await link.ask_alone(
            "currentTime", send, timeout_seconds=self._timings.silence, lane=Lane.PULSE
        )
        self._market_time.observe(sent, self._clock.boottime_seconds(), round(told.timestamp()))

    # -- refusals and pages ----------------------------------------------------------------------

    def _note_refusal(self, error: ConnectRefusedError) -> None:
        if error.code != CLIENT_ID_IN_USE:
            level = lookup(error.code, on_order=False).level if error.code else Level.WARN
            self._observer.on_notice(error.code, str(error), level)
            self._note_unreachable()
            return
        now = self._clock.boottime_seconds()
        if self._id_refused_since is None:
            self._id_refused_since = now
            # Right after our own drop the old socket may still live: a warning only.
            self._observer.on_notice(error.code, str(error), Level.WARN)
        lasted = now - self._id_refused_since
        # Keep asking: the fence opens when the old socket closes.
        self._backoff = min(self._backoff, 5.0)
        if lasted >= self._timings.id_in_use_alert and not self._id_alerted:
            self._id_alerted = True
            message = (
                f"client id in use for {lasted:.0f} s: another gateway runs, or TWS holds a dead "
                "connection; restart the IB Gateway if the other host is surely down"
            )
            self._observer.on_notice(error.code, message, Level.PAGE)

    def _note_unreachable(self) -> None:
        """Page once when nobody answers for long: most often a login waits for its second factor.

        The attempts go on with their backoff: they ask for no login, so there is no retry storm.
        """
        now = self._clock.boottime_seconds()
        if self._unreachable_since is None:
            self._unreachable_since = now
        lasted = now - self._unreachable_since
        if lasted >= self._timings.unreachable_page and not self._unreachable_paged:
            self._unreachable_paged = True
            message = (
                f"no connection to the IB Gateway for {lasted:.0f} s: is it running, and does its"
                " login wait for the second factor? Nothing is sent until it is back"
            )
            self._observer.on_notice(502, message, Level.PAGE)

    def _arm(self) -> None:
        if self._link_down_page is not None:
            return
        seconds = self._timings.link_down_page
        message = f"no link between the IB Gateway and the broker for {seconds:.0f} s"
        self._link_down_page = asyncio.get_running_loop().call_later(
            seconds, lambda: self._observer.on_notice(1100, message, Level.PAGE)
        )

    def _disarm(self) -> None:
        if self._link_down_page is not None:
            self._link_down_page.cancel()
            self._link_down_page = None
