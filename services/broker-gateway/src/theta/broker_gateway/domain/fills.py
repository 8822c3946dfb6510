"""Fills and their corrections. A correction repeats the exec id but for the part after the last
dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

TOLD_TO = timedelta(seconds=1)
"""The broker tells when a fill happened to the second, rounded down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillAt:
    """A fill in one contract: signed quantity (bought positive), when it happened as the broker
    told it, and the market time of its order's claim (`None`: not an order of ours).
    """

    quantity_signed: Decimal
    executed_at: datetime
    claimed_at: datetime | None


def exec_key(exec_id: str) -> str:
    """Return what an execution and its corrections share."""
    head, dot, _ = exec_id.rpartition(".")
    return head if dot else exec_id


def correction_no(exec_id: str) -> int:
    """Return the part after the last dot as a number; 0 when there is none."""
    _, dot, tail = exec_id.rpartition(".")
    return int(tail) if dot and tail.isdigit() else 0


def newest(exec_ids: Iterable[str]) -> dict[str, str]:
    """Return for each key the exec id of its newest correction."""
    kept: dict[str, str] = {}
    for exec_id in exec_ids:
        key = exec_key(exec_id)
        if key not in kept or correction_no(exec_id) > correction_no(kept[key]):
            kept[key] = exec_id
    return kept


def filled_quantity(quantities: Mapping[str, Decimal]) -> Decimal:
    """Return the filled sum of `{exec_id: quantity}`, each correction replacing what it corrects.

    Order and repetition of the input change nothing.
    """
    return sum((quantities[exec_id] for exec_id in newest(quantities).values()), Decimal(0))


def fills_since(fills: Iterable[FillAt], market_at: datetime) -> Decimal | None:
    """Return the signed sum of what filled after a snapshot of `market_at`.

    A fill of an order claimed at that time or later came after it. `None`: another fill happened
    within a second of it, so that nobody can tell whether the snapshot contains it.
    """
    total = Decimal(0)
    for fill in fills:
        claimed_later = fill.claimed_at is not None and fill.claimed_at >= market_at
        if claimed_later or fill.executed_at > market_at:
            total += fill.quantity_signed
        elif fill.executed_at + TOLD_TO > market_at:
            return None
    return total
