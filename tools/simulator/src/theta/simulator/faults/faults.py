"""The faults in force: what is armed, what lasts until when, and what ends it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from theta.simulator.faults.delivery import Delivery

if TYPE_CHECKING:
    from theta.simulator.gateway.session import Session


@dataclass(slots=True)
class Lasting:
    """A fault in force until ``until`` (market time; ``None``: until healed) and what ends it."""

    label: str
    undo: Callable[[], None]
    until: float | None = None


@dataclass(slots=True)
class Faults:
    """Armed faults; every counter counts down as it strikes."""

    swallow_acks: int = 0
    hang_after_place: int = 0
    refuse_order: tuple[int, str] | None = None
    fill_on_disconnect: str | None = None
    """An order reference, ``*`` for every order of the client that disconnects."""

    delay_callbacks: float = 0.0
    refuse_connections_until: float = 0.0
    logged_out: bool = False
    """Whether connections are refused until somebody logs in."""

    mute: bool = False
    """Whether the port accepts connections without ever answering them."""

    healed: int = 0
    """How often everything was healed; what was scheduled before does not happen."""

    upstream_lost: bool = False
    competing: bool = False
    """Whether another session of the same user has taken the market data."""

    broken_farms: set[str] = field(default_factory=set)
    """Of market, history and definitions."""

    rejecting: set[str] = field(default_factory=set)
    """Symbols whose orders are rejected."""

    executions_from: float = 0.0
    """Executions before this market time are told to nobody."""

    delivery: Delivery = field(default_factory=Delivery)
    lasting: dict[str, Lasting] = field(default_factory=dict)
    held: "list[tuple[Session, int, list[str]]]" = field(default_factory=list)
    """Requests that wait for a farm to come back."""

    @property
    def silent(self) -> bool:
        """Whether no market-data line is updated."""
        return self.upstream_lost or self.competing or "market" in self.broken_farms

    def clear(self) -> None:
        """Disarm everything and end what lasts."""
        self.healed += 1
        self.swallow_acks = 0
        self.hang_after_place = 0
        self.refuse_order = None
        self.fill_on_disconnect = None
        self.delay_callbacks = 0.0
        self.refuse_connections_until = 0.0
        self.logged_out = self.mute = False
        self.executions_from = 0.0
        self.delivery.clear()
        for label in list(self.lasting):
            self.end(label)

    def begin(self, label: str, undo: Callable[[], None], until: float | None) -> None:
        """Note a fault that lasts; one with the same label is replaced without being undone."""
        self.lasting[label] = Lasting(label, undo, until)

    def end(self, label: str) -> bool:
        """Undo the fault with this label; false when there is none."""
        found = self.lasting.pop(label, None)
        if found is not None:
            found.undo()
        return found is not None

    def step(self, now: float) -> None:
        """End what lasts no longer than market time ``now``, in the order of its end."""
        due = [f for f in self.lasting.values() if f.until is not None and f.until <= now]
        for fault in sorted(due, key=lambda f: (f.until or 0.0, f.label)):
            self.end(fault.label)

    def next_end(self) -> float | None:
        """Market time of the next end of a lasting fault."""
        return min((f.until for f in self.lasting.values() if f.until is not None), default=None)

    def takes_ack(self) -> bool:
        """Whether the acknowledgement of this placement is swallowed."""
        struck = self.swallow_acks > 0
        self.swallow_acks -= struck
        return struck

    def takes_connection(self) -> bool:
        """Whether this placement is accepted and the connection then cut."""
        struck = self.hang_after_place > 0
        self.hang_after_place -= struck
        return struck

    def takes_order(self, symbol: str = "") -> tuple[int, str] | None:
        """Code and text with which this placement is refused."""
        if symbol in self.rejecting:
            return 201, f"Order rejected - reason:Trading in {symbol} is halted."
        refusal, self.refuse_order = self.refuse_order, None
        return refusal

    def armed(self, loop_time: float) -> list[str]:
        """What is armed or lasts, one short text each."""
        told = [rule.describe() for rule in self.delivery.rules]
        told += sorted(self.lasting)
        for name, value in (
            ("swallow_next_ack", self.swallow_acks),
            ("hang_after_place", self.hang_after_place),
            ("refuse_next_order", self.refuse_order and self.refuse_order[0]),
            ("fill_during_disconnect", self.fill_on_disconnect),
            ("delay_callbacks_ms", round(self.delay_callbacks * 1000)),
            ("executions_gone", bool(self.executions_from)),
            ("login_expired", self.logged_out),
            ("mute_port", self.mute),
            ("connections refused", loop_time < self.refuse_connections_until),
            ("connectivity lost", self.upstream_lost),
        ):
            if value:
                told.append(name if value is True else f"{name} {value}")
        return told
