"""What the broker allows a client, and the bookkeeping of historical requests."""

from collections import deque
from dataclasses import dataclass, field

from theta.simulator.wire.fields import RequestError

PACING_TEXT = "Historical data request pacing violation"


@dataclass(frozen=True, slots=True)
class Limits:
    """The broker's limits. Whole numbers and seconds count from above; 0 switches a limit off.

    Seconds are process seconds, as a client's pacing is, whatever the speed of the market.
    """

    messages_per_second: int = 50
    """More end the connection after error 100."""

    connections: int = 32
    """Connections at once, half-open ones aside; one more is closed at once."""

    market_data_lines: int = 100
    """Lines of all clients together; one more is error 101."""

    history_requests: int = 60
    """Historical requests in ``history_window_seconds``; one more is error 162 (420 for bars)."""

    history_window_seconds: float = 600.0
    history_identical_seconds: float = 15.0
    """An identical historical request sooner than this is a pacing violation."""

    history_same_contract: int = 6
    """As many requests for one contract and kind of data within 2 seconds are a violation."""

    history_smallest_bar_seconds: int = 0
    """Bars of at least this many seconds are not paced; 0 paces every bar size."""

    history_at_once: int = 50
    account_summaries: int = 2
    tick_by_tick: int = 5
    order_ids: bool = True
    """Whether an id at or below the highest one of the client is error 103."""

    price_ticks: bool = True
    """Whether a price off the minimum tick is error 110."""

    refuse_etrade_only: bool = False
    """Whether an order with eTradeOnly or firmQuoteOnly set, as ibapi up to 9.81 sets them by
    default, is error 10268 or 10269, as today's gateways answer."""

    live_data: bool = True
    """Whether live market data are subscribed; without, a request is error 354."""

    delayed_data: bool = True
    """Whether delayed data (types 3 and 4) are shown where live data are not subscribed."""

    quote_interval_seconds: float = 0.25
    """A line is updated at most this often."""

    account_refresh_seconds: float = 180.0
    snapshot_seconds: float = 11.0
    """A snapshot ends at the latest after this time."""


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class HistoryPacing:
    """Counts one client's historical requests. Raises ``RequestError`` for one too many."""

    asked: deque[float] = field(default_factory=deque)
    identical: dict[object, float] = field(default_factory=dict)
    by_contract: dict[object, deque[float]] = field(default_factory=dict)

    def admit(
        self, limits: Limits, now: float, request: object, contract: object, error: RequestError
    ) -> None:
        """Note a request at process time ``now``, or raise ``error`` when it comes too soon.

        ``request`` identifies identical requests, ``contract`` those for one contract and kind.
        A refused request counts as well, as it does at the broker.
        """
        while self.asked and now - self.asked[0] >= limits.history_window_seconds:
            self.asked.popleft()
        before = self.identical.get(request)
        recent = self.by_contract.setdefault(contract, deque())
        while recent and now - recent[0] >= 2.0:
            recent.popleft()
        self.asked.append(now)
        recent.append(now)
        self.identical[request] = now
        if len(self.identical) > 1_000:
            self._forget(limits, now)
        if (
            0 < limits.history_requests < len(self.asked)
            or (before is not None and now - before < limits.history_identical_seconds)
            or 0 < limits.history_same_contract <= len(recent)
        ):
            raise error

    def _forget(self, limits: Limits, now: float) -> None:
        """Drop what no longer counts, so that the tables stay bounded."""
        kept = {
            k: at for k, at in self.identical.items() if now - at < limits.history_window_seconds
        }
        self.identical = kept
        self.by_contract = {k: d for k, d in self.by_contract.items() if d and now - d[-1] < 2.0}
