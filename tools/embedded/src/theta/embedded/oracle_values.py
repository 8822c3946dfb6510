"""What the oracle compares: the broker's truth and the installation's records, as plain values.

Nothing here comes from the services or from `theta.common`: the oracle must not repeat their
mistakes. Quantities are contracts or shares, money is USD, times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

FINAL_STATES = frozenset(
    {"filled", "cancelled", "expired", "rejected", "rejected_by_broker", "absent", "withdrawn"}
)
LIVE_STATUSES = frozenset({"PendingSubmit", "PreSubmitted", "Submitted", "PendingCancel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """One order as the broker holds it. `placed_at` and `cancelled_at` (the first time a cancel was
    asked for, `None`: never) are the host's clock.
    """

    order_ref: str
    perm_id: int
    con_id: int
    action: str
    quantity: Decimal
    limit: Decimal | None
    filled: Decimal
    status: str
    end_reason: str
    placed_at: float
    cancelled_at: float | None = None
    modified: tuple[tuple[float, Decimal | None], ...] = ()
    """When it was given another limit, by the host's clock, and which."""

    @property
    def live(self) -> bool:
        return self.status in LIVE_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerExecution:
    """One fill at the broker. `signed` is negative for a sale; `price` is per share."""

    exec_id: str
    order_ref: str
    con_id: int
    signed: Decimal
    price: Decimal
    commission: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The broker's side at one moment; positions of 0 are left out."""

    account: str
    orders: tuple[BrokerOrder, ...] = ()
    executions: tuple[BrokerExecution, ...] = ()
    positions: Mapping[int, Decimal] = field(default_factory=dict)
    cash: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecord:
    """A row of `order_intent`."""

    id: str
    state: str
    source: str
    effect: str
    action: str
    symbol: str
    quantity: Decimal
    con_id: int | None
    multiplier: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRecord:
    """A row of `child_order`."""

    id: str
    intent_id: str
    order_ref: str
    state: str
    quantity: Decimal
    filled_quantity: Decimal
    limit: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """A row of `broker_command`. `committed_at` is when the claim became durable. `spooled`: a
    cancel that a halt sent from its fsynced spool, stored afterwards (order-protocol §4).
    """

    child_id: str
    kind: str
    committed_at: float
    spooled: bool = False
    limit: Decimal | None = None
    """What a modify asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRecord:
    """A row of `execution` that no correction superseded."""

    exec_id: str
    child_id: str | None
    con_id: int | None
    signed: Decimal
    price: Decimal
    commission: Decimal | None
    multiplier: Decimal
    foreign: bool
    inferred: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRecord:
    """A row of `buying_power_reservation`."""

    intent_id: str
    released: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GateChange:
    """A committed halt of the whole account, or its end."""

    committed_at: float
    halted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run and the symbols that it recorded a decision for."""

    id: str
    status: str
    decided_symbols: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """An alert with the state of its Slack delivery; `None` when there is no delivery row."""

    id: str
    severity: str
    title: str
    delivery_state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A journal row as stored."""

    account: str
    sequence: int
    body: str
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The installation's side, read in one snapshot."""

    intents: tuple[IntentRecord, ...] = ()
    children: tuple[ChildRecord, ...] = ()
    commands: tuple[CommandRecord, ...] = ()
    executions: tuple[ExecutionRecord, ...] = ()
    reservations: tuple[ReservationRecord, ...] = ()
    gate_changes: tuple[GateChange, ...] = ()
    runs: tuple[RunRecord, ...] = ()
    alerts: tuple[AlertRecord, ...] = ()
    judged_absent: frozenset[str] = frozenset()
    """Every order_ref that was ever judged absent, also if it was reopened later."""
    journal: tuple[JournalEntry, ...] = ()
    journal_heads: Mapping[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the proof knows beside the two sides.

    `opening` is the broker's side before the first order; `sink_bodies` are the bodies that the
    Slack sink accepted, `None` when there was no sink; `symbols` are those of the configuration.
    """

    installation: str
    opening: Truth
    symbols: frozenset[str]
    sink_bodies: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken promise: the rule's name, whom it concerns, and what was seen."""

    rule: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}: {self.text}"
