"""What delivering alerts needs of the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from theta.alerts.domain.delivery import Answer, NextStep
from theta.alerts.domain.message import Alert, Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery that this process is to attempt now; `attempts` counts this attempt."""

    delivery_id: UUID
    channel: str
    attempts: int
    alert: Alert
    age_seconds: float
    """Since the alert was raised."""


class Channel(Protocol):
    """One way to reach people. `send` waits at most a few seconds and never raises."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> Answer: ...


class Deliveries(Protocol):
    """The stored side of deliveries. All raise UnavailableError while the database is away."""

    def plan(self, channels: Sequence[str], alert_id: UUID | None = None) -> int:
        """Create the deliveries of one alert, or of all that have none; return how many were made.

        Repeating it changes nothing.
        """
        ...

    def claim(self, lease_seconds: float, alert_id: UUID | None = None) -> Claimed | None:
        """Take the most urgent due delivery (of one alert, or of all); `None` when none is due.

        It is `sending` until `settle`, or until `lease_seconds` have passed: then it is due again.
        """
        ...

    def settle(self, claimed: Claimed, step: NextStep) -> bool:
        """Record the end of an attempt; False when another process took the delivery over."""
        ...


class Silences(Protocol):
    """Heartbeats that stopped."""

    def raise_for(self, silent_seconds: float) -> int:
        """Raise a critical alert for each service silent for longer; return how many are new.

        One alert for each episode, however often and from wherever this is called.
        """
        ...
