"""What one connection is subscribed to."""

from dataclasses import dataclass, field

from theta.simulator.gateway.limits import HistoryPacing
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Quote
from theta.simulator.wire.bars import BarFields
from theta.simulator.wire.market_reading import HistoryRequest


@dataclass(slots=True)
class Line:
    """A market-data line; ``started`` once its first ticks went out.

    ``delayed`` lines lag a quarter of an hour. ``sent`` is the quote that the client knows;
    ``None`` has everything sent again. ``high`` and ``low`` are the day's as the client knows them.
    """

    request: int
    contract: Contract
    generic_ticks: frozenset[int]
    snapshot: bool
    delayed: bool = False
    started: bool = False
    sent: Quote | None = None
    sent_type: int = 0
    high: float = 0.0
    low: float = 0.0
    halted: bool = False
    blank: bool = False


@dataclass(slots=True)
class ByTick:
    """A tick-by-tick line of one ``kind``: Last, AllLast, BidAsk or MidPoint."""

    request: int
    contract: Contract
    kind: str
    sent: Quote | None = None


@dataclass(slots=True)
class LiveBars:
    """Five-second bars from ``next_at`` on; ``what`` names the price."""

    request: int
    contract: Contract
    what: str
    regular_hours: bool
    next_at: float


@dataclass(slots=True)
class KeptBars:
    """Historical bars that keep up to date; ``sent`` is the forming bar as the client knows it."""

    asked: HistoryRequest
    contract: Contract
    seconds: int
    sent: BarFields | None = None
    looked_at: float = 0.0


@dataclass(slots=True)
class Summary:
    """An account summary: its accounts, its tags, and what the client knows by account, tag and
    currency."""

    accounts: tuple[str, ...]
    tags: tuple[str, ...]
    sent: dict[tuple[str, str, str], str] = field(default_factory=dict)


@dataclass(slots=True)
class Profit:
    """Profit and loss of an account, or of one contract in it where ``con_id`` is not 0."""

    account: str
    con_id: int = 0
    sent: tuple[float, ...] | None = None


@dataclass(slots=True)
class MultiAccount:
    """Account updates of one account by request, and what the client knows of it."""

    account: str
    ledger_only: bool = False
    sent: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(slots=True)
class Subscriptions:
    """Market-data lines and account subscriptions by request id."""

    lines: dict[int, Line] = field(default_factory=dict)
    by_tick: dict[int, ByTick] = field(default_factory=dict)
    live_bars: dict[int, LiveBars] = field(default_factory=dict)
    kept_bars: dict[int, KeptBars] = field(default_factory=dict)
    pending_history: set[int] = field(default_factory=set)
    pacing: HistoryPacing = field(default_factory=HistoryPacing)
    positions: bool = False
    positions_multi: dict[int, str] = field(default_factory=dict)
    account: str = ""
    """The account whose updates are subscribed; empty for none."""

    account_sent: dict[tuple[str, str], str] = field(default_factory=dict)
    account_multi: dict[int, MultiAccount] = field(default_factory=dict)
    summaries: dict[int, Summary] = field(default_factory=dict)
    profits: dict[int, Profit] = field(default_factory=dict)
    bulletins: bool = False

    def lose_market_data(self) -> list[int]:
        """Forget every subscription to prices, as the broker does when it has lost them; returns
        the requests whose bars were kept up to date, which are told so."""
        updated = sorted(self.kept_bars)
        for running in (self.lines, self.by_tick, self.live_bars, self.kept_bars):
            running.clear()
        self.pending_history.clear()
        return updated
