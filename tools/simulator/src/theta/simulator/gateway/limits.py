"""What the broker allows a client, and the bookkeeping of historical requests."""

from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any

from theta.simulator.wire.fields import RequestError

_MOST = 1_000_000_000
PACING_TEXT = "Historical data request pacing violation"


def _limit(about: str, *, default: Any) -> Any:
    """A field whose meaning the reference tells."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class Limits:
    """The broker's limits. Whole numbers and seconds count from above; 0 switches a limit off.

    Seconds are process seconds, as a client's pacing is, whatever the speed of the market. Raises
    ``ValueError`` for a number below 0.
    """

    messages_per_second: int = _limit(
        "messages of one client; more end it after error 100", default=50
    )
    connections: int = _limit(
        "connections at once, half-open ones aside; one more is closed at once", default=32
    )
    market_data_lines: int = _limit(
        "lines of all clients together; one more is error 101", default=100
    )
    history_requests: int = _limit(
        "historical requests in the window below; one more is 162 (420 for real-time bars)",
        default=60,
    )
    history_window_seconds: float = _limit("the window they are counted in", default=600.0)
    history_identical_seconds: float = _limit(
        "an identical historical request sooner than this is 162 (420)", default=15.0
    )
    history_same_contract: int = _limit(
        "so many requests for one contract and kind within 2 seconds are 162 (420)", default=6
    )
    history_smallest_bar_seconds: int = _limit(
        "bars of at least so many seconds are not paced; 0 paces every size, 60 is IBKR's of late",
        default=0,
    )
    history_at_once: int = _limit(
        "historical requests waiting for their answer at once", default=50
    )
    account_summaries: int = _limit(
        "account summaries of one client; one more is error 322", default=2
    )
    tick_by_tick: int = _limit(
        "tick-by-tick lines of one client; one more is error 10190", default=5
    )
    order_ids: bool = _limit(
        "an order id at or below the client's highest is error 103", default=True
    )
    price_ticks: bool = _limit("a price off the minimum tick is error 110", default=True)
    refuse_etrade_only: bool = _limit(
        "an order with eTradeOnly or firmQuoteOnly set, as ibapi up to 9.81 sets them by default,"
        " is error 10268 or 10269, as today's gateways answer",
        default=False,
    )
    live_data: bool = _limit(
        "live market data are subscribed; without, a line is error 354 (10167 if delayed)",
        default=True,
    )
    delayed_data: bool = _limit(
        "without live data, types 3 and 4 show delayed ones; without these too, error 10168",
        default=True,
    )
    quote_interval_seconds: float = _limit("a line is updated at most this often", default=0.25)
    account_refresh_seconds: float = _limit(
        "account values that changed are sent this often, besides after trades", default=180.0
    )
    snapshot_seconds: float = _limit("a snapshot ends at the latest after this time", default=11.0)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not isinstance(value, bool) and not 0 <= value <= _MOST:
                raise ValueError(f"{each.name} must be a number from 0 to {_MOST:,}")


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
