"""How the parts of the session hang together, and what they tell each other."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from theta.broker_gateway.adapters.ibkr.codes import CodeAction, Level, lookup
from theta.broker_gateway.adapters.ibkr.link import Link
from theta.broker_gateway.adapters.ibkr.market_data import FarmWatch, MarketData
from theta.broker_gateway.adapters.ibkr.market_time import MarketTimeEstimator
from theta.broker_gateway.adapters.ibkr.orders import OrderWriter
from theta.broker_gateway.adapters.ibkr.pacing import HistoryPacer, LinePool, MessageBudget
from theta.broker_gateway.adapters.ibkr.recording import Recorder
from theta.broker_gateway.adapters.ibkr.reference_data import ReferenceData
from theta.broker_gateway.adapters.ibkr.streams import StreamTable
from theta.broker_gateway.adapters.ibkr.supervisor import (
    GuardedObserver,
    SessionObserver,
    SessionTimings,
    Supervisor,
)
from theta.broker_gateway.ports import (
    Evidence,
    EvidenceSink,
    SessionState,
)
from theta.common.errors import UnavailableError
from theta.common.ports import ProcessClock
from theta.common.telemetry.logs import get_logger

_log = get_logger(__name__)
_EXCHANGE_ZONE = ZoneInfo("America/New_York")
_QUIET_ACTIONS = frozenset({CodeAction.UNKNOWN_CONTRACT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """The market clock for `broker_session`: market time, its age, its rate, its precision."""

    market_at: datetime
    observed_age_seconds: float
    """Process seconds since the broker last told its time."""
    rate: float
    precision_seconds: float
    """Market seconds that `market_at` may be off, either way."""


class SessionLife:
    """Puts the parts together; begins and ends the session; tells what it does."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: int,
        clock: ProcessClock,
        evidence: EvidenceSink,
        observer: SessionObserver,
        next_connection_no: Callable[[], int],
        timings: SessionTimings | None = None,
        messages_per_second: int = 40,
    ) -> None:
        self._client_id = client_id
        self._clock = clock
        self._evidence = evidence
        self._observer = GuardedObserver(observer)
        self._timings = timings or SessionTimings()
        self._budget = MessageBudget(clock.boottime_seconds, messages_per_second)
        self._market_time = MarketTimeEstimator()
        self._highest_order_id = 0
        self._sent_before: Counter[str] = Counter()
        self._writer: OrderWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._farms = FarmWatch(clock.boottime_seconds)
        self._reference = ReferenceData(
            self._require_link, self._market_day, HistoryPacer(clock.boottime_seconds)
        )
        self._market_data = MarketData(
            link=self._require_link,
            reference=self._reference,
            lines=LinePool(),
            farms=self._farms,
            now=clock.boottime_seconds,
            market_at=self.market_at,
        )
        self._supervisor = Supervisor(
            host=host,
            port=port,
            make_link=self._make_link,
            next_connection_no=next_connection_no,
            observer=self._observer,
            clock=clock,
            market_time=self._market_time,
            state=self.state,
            on_up=self._adopt,
            timings=self._timings,
        )

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect, and keep connected. Returns at once."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._supervisor.run())

    async def stop(self) -> None:
        """Drop the connection and stay away."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def messages_sent(self) -> Counter[str]:
        """Messages written since the start, by kind, for metrics."""
        link = self._supervisor.link
        return self._sent_before + (link.ib.client.messages_sent if link else Counter())

    def clock_reading(self) -> ClockReading | None:
        """The market clock with its age, rate and precision; `None` before the first answer."""
        at, observed = self.market_at(), self._market_time.observed_at
        if at is None or observed is None:
            return None
        return ClockReading(
            market_at=at,
            observed_age_seconds=max(self._clock.boottime_seconds() - observed, 0.0),
            rate=self._market_time.rate,
            precision_seconds=self._market_time.precision_seconds or 0.0,
        )

    def state(self) -> SessionState:
        """See BrokerPort."""
        link = self._supervisor.link
        up = link is not None and link.is_up
        return SessionState(
            connection_no=link.connection_no if link is not None else 0,
            connected=up,
            fetched=up and link is not None and link.fetched,
            broker_link=self._supervisor.broker_link,
            client_id=self._client_id,
            accounts=link.accounts if link is not None else (),
            highest_order_id_seen=self._highest_order_id,
        )

    def market_at(self) -> datetime | None:
        """See BrokerPort."""
        epoch = self._market_time.market_epoch(self._clock.boottime_seconds())
        return None if epoch is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(0, epoch)

    # -- private ---------------------------------------------------------------------------------

    def _require_link(self) -> Link:
        link = self._supervisor.link
        if link is None or not link.is_up:
            raise UnavailableError("no connection to TWS; it is being made again")
        return link

    def _market_day(self) -> date:
        at = self.market_at()
        if at is None:
            raise UnavailableError("market time is not known yet")
        return at.astimezone(_EXCHANGE_ZONE).date()

    def _make_link(self, connection_no: int) -> Link:
        old = self._supervisor.link
        if old is not None:
            self._sent_before += old.ib.client.messages_sent
        self._writer = None
        recorder = Recorder(
            connection_no=connection_no,
            sink=self._take_evidence,
            clock=self._clock,
            market_at=self.market_at,
        )
        link = Link(
            connection_no=connection_no,
            client_id=self._client_id,
            recorder=recorder,
            budget=self._budget,
            on_message=self._on_message,
            on_order_id=self._on_order_id,
        )
        link.ib.wrapper.ticks = StreamTable()
        return link

    def _adopt(self, link: Link) -> None:
        self._writer = OrderWriter(link)
        self._farms.reset()
        self._highest_order_id = max(self._highest_order_id, link.ib.client.next_id() - 1)

    def _take_evidence(self, evidence: Evidence) -> None:
        try:
            self._evidence(evidence)
        except Exception as error:
            # What cannot be recorded must be asked for again, on a new connection.
            _log.exception("evidence could not be recorded")
            message = f"broker evidence could not be recorded: {error}"
            self._observer.on_notice(0, message, Level.PAGE)
            if self._supervisor.link is not None:
                self._supervisor.link.close("broker evidence could not be recorded")
            raise

    def _on_order_id(self, client_id: int, order_id: int) -> None:
        if client_id == self._client_id:
            self._highest_order_id = max(self._highest_order_id, order_id)

    def _on_message(self, request_id: int, code: int, text: str, on_order: bool) -> None:  # noqa: FBT001 - Link's callback
        if code == 0:
            self._observer.on_notice(0, text, Level.PAGE)
            return
        meaning = lookup(code, on_order=on_order, text=text)
        if on_order:
            self._observer.on_notice(code, f"order id {request_id}: {text}", meaning.level)
            return
        if code == 326 or (request_id > 0 and meaning.action in _QUIET_ACTIONS):
            return
        farm = text.rpartition(":")[2]
        if meaning.action is CodeAction.QUOTES_UNTRUSTED:
            if code == 2103:
                self._farms.down(farm)
            else:
                self._farms.block()
        elif meaning.action is CodeAction.QUOTES_FRESH_TICK:
            self._farms.up(farm)
        elif meaning.action in (CodeAction.LINK_UP, CodeAction.LINK_UP_DATA_LOST):
            self._farms.reset()
        elif meaning.action is CodeAction.LINK_DOWN:
            self._farms.block()
        self._observer.on_notice(code, text, meaning.level)
        self._supervisor.on_code(meaning.action)
