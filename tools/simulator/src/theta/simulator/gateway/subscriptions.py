"""What one connection is subscribed to."""

from dataclasses import dataclass, field

from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Quote


@dataclass(slots=True)
class Line:
    """A market-data line; ``started`` once its first ticks went out."""

    request: int
    contract: Contract
    generic_ticks: tuple[int, ...]
    snapshot: bool
    started: bool = False
    sent: Quote | None = None
    sent_vol: float | None = None


@dataclass(slots=True)
class Subscriptions:
    """Market-data lines and account subscriptions by request id."""

    lines: dict[int, Line] = field(default_factory=dict)
    positions: bool = False
    positions_multi: dict[int, str] = field(default_factory=dict)
    account: bool = False
    account_multi: dict[int, str] = field(default_factory=dict)
    summaries: dict[int, list[str]] = field(default_factory=dict)
    profits: dict[int, int] = field(default_factory=dict)
    """Contract id per request; 0 for the whole account."""
