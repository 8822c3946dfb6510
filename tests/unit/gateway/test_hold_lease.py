"""Who may send, and from when: the lease's holder, after the time that its predecessor had."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from theta.broker_gateway.use_cases.guard_session import SessionGuard
from theta.broker_gateway.use_cases.hold_lease import (
    MARGIN_SECONDS,
    SUCCESSOR_WAITS_SECONDS,
    TTL_SECONDS,
    HoldLease,
)
from theta.broker_gateway.use_cases.last_test import SEND_WITHIN_SECONDS
from theta.common.errors import UnavailableError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def boottime_seconds(self) -> float:
        return self.now

    def wall_at(self) -> datetime:
        return datetime(2026, 8, 20, 15, tzinfo=UTC)


class Leases:
    """The lease row as HoldLease uses it. `epoch` counts the acquisitions so far."""

    def __init__(self, epoch: int = 0) -> None:
        self.epoch = epoch
        self.taken_by_another = False
        self.away = False

    def acquire_lease(self, holder: str, ttl_seconds: float) -> int | None:
        if self.taken_by_another:
            return None
        self.epoch += 1
        return self.epoch

    def renew_lease(self, holder: str, epoch: int, ttl_seconds: float) -> bool:
        if self.away:
            raise UnavailableError("the database does not answer")
        return not self.taken_by_another and epoch == self.epoch

    def release_lease(self, holder: str, epoch: int) -> None:
        self.taken_by_another = False


class Holding:
    """A gateway's lease on a clock that stands where it is put."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.clock = Clock()
        self.guard = SessionGuard()
        self._lease = HoldLease(
            store=leases,  # type: ignore[arg-type]  # only the lease of the store is used
            guard=self.guard,
            clock=self.clock,
            holder="here",
        )

    def turn_after(self, seconds: float) -> bool:
        self.clock.now += seconds
        return self._lease.turn()

    @property
    def may_act(self) -> bool:
        return self.guard.epoch(self.clock.now) is not None


def test_a_successor_waits_as_long_as_its_predecessor_could_still_send() -> None:
    holding = Holding(Leases(epoch=1))
    assert holding.turn_after(0)
    assert not holding.may_act
    holding.clock.now += SUCCESSOR_WAITS_SECONDS - 0.01
    assert not holding.may_act
    holding.clock.now += 0.01
    assert holding.may_act
    assert SUCCESSOR_WAITS_SECONDS >= SEND_WITHIN_SECONDS


def test_the_first_holder_ever_succeeds_nobody_and_waits_for_nobody() -> None:
    holding = Holding(Leases())
    assert holding.turn_after(0)
    assert holding.may_act


def test_a_lost_lease_is_taken_anew_and_waited_for_again() -> None:
    holding = Holding(Leases())
    holding.turn_after(0)
    holding.leases.taken_by_another = True
    assert not holding.turn_after(3)
    assert not holding.may_act
    holding.leases.taken_by_another = False
    assert holding.turn_after(2)
    assert not holding.may_act
    holding.clock.now += SUCCESSOR_WAITS_SECONDS
    assert holding.may_act


@pytest.mark.parametrize(("early", "acts"), [(0.01, True), (0.0, False)])
def test_what_could_not_be_renewed_ends_before_the_databases_own_end(
    early: float, acts: bool
) -> None:
    holding = Holding(Leases())
    holding.turn_after(0)
    holding.leases.away = True
    holding.turn_after(TTL_SECONDS - MARGIN_SECONDS - early)
    assert holding.may_act is acts
