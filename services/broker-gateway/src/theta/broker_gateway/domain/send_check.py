"""The last test before an order is written (order-protocol §5.2)."""

from __future__ import annotations

from dataclasses import dataclass

CLOCKS_AGREE_WITHIN_SECONDS = 0.5
"""How far wall and boot-time clocks may drift apart between claim and write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendConditions:
    """Everything the test looks at, read in the same callback that writes."""

    attempt_is_ours: bool
    """The committed command carries our attempt."""
    epoch_claimed: int
    epoch_held: int | None
    """The lease's epoch as this process holds it now; `None` when it is lost."""
    connection_claimed: int
    connection_now: int
    connected: bool
    fetched: bool
    reconciled: bool
    """This connection was compared with the records once."""
    broker_link: bool
    gate_closed_by: str | None
    """Why the in-memory gate is closed for this order, `None` while it is open."""
    lock_held: bool
    """The connection that holds the sender's lock is alive."""
    elapsed_seconds: float
    """CLOCK_BOOTTIME since the claim began."""
    wall_elapsed_seconds: float
    send_within_seconds: float


def session_refusal(conditions: SendConditions) -> str | None:
    """Return why the session may not send now, or `None`."""
    if conditions.epoch_held != conditions.epoch_claimed:
        return "lease_lost"
    if not conditions.connected:
        return "not_connected"
    if conditions.connection_now != conditions.connection_claimed:
        return "connection_changed"
    if not conditions.broker_link:
        return "broker_link_down"
    if not conditions.fetched:
        return "start_fetch_incomplete"
    if not conditions.reconciled:
        return "not_reconciled"
    if conditions.gate_closed_by is not None:
        return "gate_closed"
    return None


def send_refusal(conditions: SendConditions) -> str | None:
    """Return the code of the first condition that forbids the send, `None` when all permit it."""
    if not conditions.attempt_is_ours:
        return "not_our_attempt"
    refusal = session_refusal(conditions)
    if refusal is not None:
        return refusal
    if not conditions.lock_held:
        return "sender_lock_lost"
    if not 0 <= conditions.elapsed_seconds < conditions.send_within_seconds:
        return "send_by_passed"
    drift = abs(conditions.wall_elapsed_seconds - conditions.elapsed_seconds)
    if drift > CLOCKS_AGREE_WITHIN_SECONDS:
        return "clocks_disagree"
    return None
