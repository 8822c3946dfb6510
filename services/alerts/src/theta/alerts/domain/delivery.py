"""What follows an attempt to deliver: delivered, tried again later, or given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ATTEMPTS_MAX = 10
BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 300.0
RETRY_AFTER_SECONDS_MAX = 900.0
"""A channel that asks for a longer pause is tried again after this one."""

LOG_CHANNEL = "log"
"""Where an alert goes when no channel is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The channel took the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryLater:
    """The channel may take it later. `error` holds no secret; `retry_after_seconds` if it said."""

    error: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The channel will never take this message."""

    error: str


Answer = HandedOver | TryLater | GiveUp


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """The delivery's new state; `wait_seconds` until the next attempt when it is pending."""

    state: Literal["delivered", "pending", "dead"]
    error: str | None = None
    wait_seconds: float = 0.0


def next_step(answer: Answer, attempts: int) -> NextStep:
    """Return what becomes of a delivery whose attempt number `attempts` (from 1) got `answer`.

    The wait doubles from 1 s up to 5 min, and is never shorter than the channel asked for.
    """
    match answer:
        case HandedOver():
            return NextStep(state="delivered")
        case GiveUp():
            return NextStep(state="dead", error=answer.error)
        case TryLater():
            if attempts >= ATTEMPTS_MAX:
                return NextStep(state="dead", error=f"{answer.error}, after {attempts} attempts")
            asked = min(answer.retry_after_seconds or 0.0, RETRY_AFTER_SECONDS_MAX)
            doubled = BACKOFF_FIRST_SECONDS * 2 ** (attempts - 1)
            wait = max(min(doubled, BACKOFF_MAX_SECONDS), asked)
            return NextStep(state="pending", error=answer.error, wait_seconds=wait)
