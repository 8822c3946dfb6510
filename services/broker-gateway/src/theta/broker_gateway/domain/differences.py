"""Broker against records: what differs, and which differences explain themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from theta.broker_gateway.domain.broker import BrokerOrder
from theta.broker_gateway.domain.explain_positions import EXPLAINED, Change, explain_end
from theta.broker_gateway.domain.records import ChildRecord, StoredExecution
from theta.common.domain.instruments import Contract
from theta.common.domain.orders import OrderState, is_ours

Holdings = Mapping[tuple[str, str, str, str, str, str, int], tuple[Contract, Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference. `explained` ones are recorded and change nothing."""

    kind: str
    subject: str
    expected: str
    observed: str
    explained: bool

    def to_record(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "subject": self.subject,
            "expected": self.expected,
            "observed": self.observed,
            "explained": self.explained,
        }


def holdings(rows: Iterable[tuple[Contract, Decimal]]) -> Holdings:
    """Return quantities added up per contract by its terms, zeros left out."""
    found: dict[tuple[str, str, str, str, str, str, int], tuple[Contract, Decimal]] = {}
    for contract, quantity in rows:
        key = contract.economic_key
        before = found.get(key, (contract, Decimal(0)))[1]
        found[key] = (contract, before + quantity)
    return {key: value for key, value in found.items() if value[1] != 0}


def position_differences(
    expected: Iterable[tuple[Contract, Decimal]],
    fills: Iterable[StoredExecution],
    observed: Iterable[tuple[Contract, Decimal]],
    *,
    today: date,
) -> list[Difference]:
    """Compare opening positions plus fills with what the broker shows, underlying by underlying.

    Options end without a trade by expiry, assignment or exercise, and the last two move shares.
    `explain_end` says which of that can have happened; what nothing explains is `position`, or
    `split_suspected` where every share became the same number of shares.
    """
    before = [*expected, *((fill.contract, fill.quantity_signed) for fill in fills)]
    wanted, shown = holdings(before), holdings(observed)
    changes: dict[tuple[str, str], list[Change]] = {}
    for key in sorted(wanted.keys() | shown.keys()):
        contract = (wanted.get(key) or shown[key])[0]
        was = wanted.get(key, (contract, Decimal(0)))[1]
        now = shown.get(key, (contract, Decimal(0)))[1]
        if was != now:
            change = Change(contract=contract, was=was, now=now)
            changes.setdefault((contract.symbol, contract.currency), []).append(change)
    return [
        _difference(change, kind)
        for group in changes.values()
        for change, kind in explain_end(group, today=today)
    ]


def _difference(change: Change, kind: str) -> Difference:
    return Difference(
        kind=kind,
        subject=change.contract.describe(),
        expected=str(change.was),
        observed=str(change.now),
        explained=kind in EXPLAINED,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDifferences:
    """`missing`: recorded as working, not open at the broker. `strange`: ours, not recorded."""

    missing: tuple[ChildRecord, ...]
    strange: tuple[BrokerOrder, ...]


def order_differences(
    children: Iterable[ChildRecord],
    known_refs: Iterable[str],
    open_orders: Iterable[BrokerOrder],
    *,
    installation: str,
) -> OrderDifferences:
    """Compare recorded working children with the complete open orders."""
    orders = list(open_orders)
    refs = {order.order_ref for order in orders}
    perms = {order.perm_id for order in orders if order.perm_id}
    known = set(known_refs)
    return OrderDifferences(
        missing=tuple(
            child
            for child in children
            if child.state is OrderState.WORKING
            and child.order_ref not in refs
            and child.perm_id not in perms
        ),
        strange=tuple(
            order
            for order in orders
            if is_ours(order.order_ref, installation) and order.order_ref not in known
        ),
    )
