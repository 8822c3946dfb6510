"""The ambient world as ports: two clocks, identities, fault points.

Each has a real adapter in `theta.common.adapters` and a fake in `tests/support`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


class ProcessClock(Protocol):
    """Process time, for timeouts and leases. Never for a decision about the market."""

    def boottime_seconds(self) -> float:
        """CLOCK_BOOTTIME in seconds: monotonic, and it counts while the machine sleeps."""
        ...

    def wall_at(self) -> datetime:
        """The host's wall clock in aware UTC. Labels records; decides nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketTime:
    """What the market clock says, and how old that knowledge is."""

    at: datetime
    """The broker's time, aware UTC."""
    observed_age_seconds: float
    """Process seconds since the broker's time was last seen. 0 or more."""


class MarketClock(Protocol):
    """The broker's time, for DTE, sessions, validity and quote age."""

    def market_time(self) -> MarketTime | None:
        """Return market time, or `None` when it was never observed: treat that as stale."""
        ...


class IdSource(Protocol):
    """Random identities. Never a sequence: a restored backup would repeat it."""

    def uuid(self) -> UUID: ...

    def token(self) -> str:
        """Return 20 characters of `[a-z2-7]` from a secure source (100 bits)."""
        ...


class FaultPoints(Protocol):
    """Named places where a crash matters. Outside the proof harness `reach` does nothing."""

    def reach(self, name: str) -> None: ...
