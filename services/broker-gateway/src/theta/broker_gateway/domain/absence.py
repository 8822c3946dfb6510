"""When an order may be judged absent, and what its position says after midnight (§6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from theta.broker_gateway.domain.broker import BrokerExecution, BrokerOrder

EXECUTION_ZONE = ZoneInfo("America/New_York")
SESSION_END = time(16, 15)
"""Options on ETFs trade until 16:15 at the latest; a DAY order is past its session after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Three complete answers of one round, asked in this order in one connection."""

    connection_no: int
    client_id: int
    started_seconds: float
    """Process time before the first was asked."""
    ended_seconds: float
    market_at: datetime
    started_at: datetime
    """Wall clock, to compare with recorded ends."""
    open_orders: tuple[BrokerOrder, ...]
    completed_orders: tuple[BrokerOrder, ...]
    executions: tuple[BrokerExecution, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """The order that is looked for. `unclear_since_seconds`: process time from which a round
    counts, which is after any send of it could have happened.
    """

    order_ref: str
    perm_id: int | None
    claimed_market_at: datetime
    unclear_since_seconds: float


class Verdict(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"
    WAIT = "wait"
    AFTER_DAY_BOUNDARY = "after_day_boundary"


def execution_day(market_at: datetime) -> date:
    """Return the broker's execution day: the date in New York."""
    return market_at.astimezone(EXECUTION_ZONE).date()


def open_order_of(sought: Sought, found: Round) -> BrokerOrder | None:
    """Return the open order that is the sought one by reference or perm id."""
    return next((order for order in found.open_orders if _is(sought, order)), None)


def is_present(sought: Sought, found: Round) -> bool:
    """Tell whether any of the three answers shows the order."""
    orders = (*found.open_orders, *found.completed_orders)
    return any(_is(sought, order) for order in orders) or any(
        _is(sought, execution) for execution in found.executions
    )


def judge(sought: Sought, rounds: Sequence[Round], *, interval_seconds: float) -> Verdict:
    """Judge by the rounds so far, oldest first.

    ABSENT needs two rounds without it, at least `interval_seconds` apart, in one connection of one
    client id, both after the order became unclear, within the execution day of its claim.
    """
    counted = [r for r in rounds if r.started_seconds >= sought.unclear_since_seconds]
    if not counted:
        return Verdict.WAIT
    last = counted[-1]
    if is_present(sought, last):
        return Verdict.PRESENT
    for earlier in counted[:-1]:
        same = (earlier.connection_no, earlier.client_id) == (last.connection_no, last.client_id)
        apart = last.started_seconds - earlier.ended_seconds >= interval_seconds
        if same and apart and not is_present(sought, earlier):
            claimed_day = execution_day(sought.claimed_market_at)
            within_day = claimed_day == execution_day(last.market_at)
            return Verdict.ABSENT if within_day else Verdict.AFTER_DAY_BOUNDARY
    return Verdict.WAIT


def _is(sought: Sought, item: BrokerOrder | BrokerExecution) -> bool:
    if item.order_ref == sought.order_ref:
        return True
    return sought.perm_id is not None and item.perm_id == sought.perm_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What a position's change says of an order that no list shows any more.

    `filled` contracts (0 or more) are inferred; the rest expired. `None`: a person must look.
    """

    filled: int | None
    reason: str


def day_order_is_over(claimed_market_at: datetime, market_at: datetime) -> bool:
    """Tell whether a DAY order claimed then is past its session now.

    Holidays are not known here: a session later than guessed only makes this too early for an
    order that the open orders would still show.
    """
    claimed = claimed_market_at.astimezone(EXECUTION_ZONE)
    day = claimed.date()
    if claimed.time() >= SESSION_END:
        day += timedelta(days=1)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    end = datetime.combine(day, SESSION_END, EXECUTION_ZONE)
    return market_at >= end


def infer_from_position(
    *,
    remaining: int,
    sign: int,
    change: Decimal | None,
    other_candidates: int,
    over: bool,
) -> Inference:
    """Infer after the day boundary (§6).

    `change` is the signed change of the position that no recorded fill explains, `None` when it is
    not known. `other_candidates` are other orders that could have caused it.
    """
    if change is None:
        return Inference(filled=None, reason="the position before the order is not known")
    if other_candidates:
        return Inference(filled=None, reason="another order could explain the position")
    moved = change * sign
    if moved == remaining:
        return Inference(filled=remaining, reason="the position changed by exactly the remainder")
    if not over:
        return Inference(filled=None, reason="the order's session is not over")
    if moved == int(moved) and 0 <= moved < remaining:
        return Inference(filled=int(moved), reason=f"the position changed by {int(moved)}")
    return Inference(filled=None, reason=f"the position changed by {change}, not by this order")
