"""Fills and their corrections. A correction repeats the exec id but for the part after the last
dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal


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
