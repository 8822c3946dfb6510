"""The oracle: compares the broker's truth with the records, sharing no code with the services.

It judges a settled system: nothing is on its way any more. Each rule is one promise of
docs/order-protocol.md; `RULES` lists them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from theta.embedded.oracle_values import (
    FINAL_STATES,
    BrokerOrder,
    ChildRecord,
    Expectation,
    IntentRecord,
    JournalEntry,
    Records,
    Truth,
    Violation,
)

FIRST_HASH = "0" * 64
SETTLED_STATES = FINAL_STATES | {"working", "held"}
"""States in which an intent may rest: final, at the broker, or waiting for a named person."""
TITLE_LENGTH = 80
"""Characters of a title by which its message is recognised."""
ACCOUNT_NUMBER = re.compile(r"\b[A-Z]{1,3}\d{5,10}\b")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Case:
    """Both sides and what is known beside them, with the look-ups that several rules share."""

    truth: Truth
    records: Records
    expected: Expectation

    def ours(self) -> Iterator[BrokerOrder]:
        prefix = f"{self.expected.installation}-"
        return (order for order in self.truth.orders if order.order_ref.startswith(prefix))

    def child_by_ref(self) -> dict[str, ChildRecord]:
        return {child.order_ref: child for child in self.records.children}

    def intent_by_id(self) -> dict[str, IntentRecord]:
        return {intent.id: intent for intent in self.records.intents}


Rule = Callable[[Case], Iterator[Violation]]


def compare(truth: Truth, records: Records, expected: Expectation) -> tuple[Violation, ...]:
    """Return every violation of every rule, in the order of `RULES`; empty when all holds."""
    case = Case(truth, records, expected)
    return tuple(violation for rule in RULES for violation in rule(case))


def no_order_without_intent(case: Case) -> Iterator[Violation]:
    """Every order of ours has one child and intent, and its claim was committed before it."""
    children, intents = case.child_by_ref(), case.intent_by_id()
    claims: dict[str, float] = {}
    for command in case.records.commands:
        if command.kind == "place":
            claims[command.child_id] = command.committed_at
    for order in case.ours():
        child = children.get(order.order_ref)
        if child is None:
            yield Violation(
                rule="order_without_intent", subject=order.order_ref, text="no child has this ref"
            )
            continue
        intent = intents.get(child.intent_id)
        if intent is None or intent.source == "orphan":
            yield Violation(
                rule="order_without_intent",
                subject=order.order_ref,
                text="its intent was written only after the broker showed the order",
            )
        claimed = claims.get(child.id)
        if claimed is None or claimed > order.placed_at:
            yield Violation(
                rule="claim_before_send",
                subject=order.order_ref,
                text=f"sent at {order.placed_at}, place command committed at {claimed}",
            )


def cancel_has_command(case: Case) -> Iterator[Violation]:
    """A cancel that reached the broker was claimed before, or spooled by a halt."""
    children = case.child_by_ref()
    claims: dict[str, float] = {}
    for command in case.records.commands:
        if command.kind == "cancel":
            at = 0.0 if command.spooled else command.committed_at
            claims[command.child_id] = min(claims.get(command.child_id, at), at)
    for order in case.ours():
        child = children.get(order.order_ref)
        if child is None or order.cancelled_at is None:
            continue
        claimed = claims.get(child.id)
        if claimed is None or claimed > order.cancelled_at:
            yield Violation(
                rule="claim_before_cancel",
                subject=order.order_ref,
                text=f"cancelled at {order.cancelled_at}, cancel command committed at {claimed}",
            )


def modify_has_command(case: Case) -> Iterator[Violation]:
    """Each new price that reached the broker was claimed before, and none reached it twice."""
    children = case.child_by_ref()
    claims: dict[tuple[str, Decimal | None], list[float]] = defaultdict(list)
    for command in case.records.commands:
        if command.kind == "modify":
            claims[command.child_id, command.limit].append(command.committed_at)
    for order in case.ours():
        child = children.get(order.order_ref)
        for at, limit in order.modified if child is not None else ():
            assert child is not None
            before = [one for one in claims[child.id, limit] if one <= at]
            if not before:
                yield Violation(
                    rule="claim_before_modify",
                    subject=order.order_ref,
                    text=f"given the limit {limit} at {at} without a modify command before",
                )
                continue
            claims[child.id, limit].remove(before[0])


def never_twice(case: Case) -> Iterator[Violation]:
    """One broker order per child, one live order per intent, never more than its quantity."""
    seen = Counter(order.order_ref for order in case.ours())
    for order_ref, count in seen.items():
        if count > 1:
            yield Violation(
                rule="placed_once", subject=order_ref, text=f"the broker has {count} orders of it"
            )
    children = case.child_by_ref()
    by_intent: dict[str, list[BrokerOrder]] = defaultdict(list)
    for order in case.ours():
        if order.order_ref in children:
            by_intent[children[order.order_ref].intent_id].append(order)
    intents = case.intent_by_id()
    for intent_id, orders in by_intent.items():
        live = [order for order in orders if order.live]
        if len(live) > 1:
            yield Violation(
                rule="one_live_order", subject=intent_id, text=f"{len(live)} orders are live"
            )
        possible = sum((order.filled for order in orders), Decimal(0))
        possible += sum((order.quantity - order.filled for order in live), Decimal(0))
        if intent_id in intents and possible > intents[intent_id].quantity:
            yield Violation(
                rule="within_quantity",
                subject=intent_id,
                text=f"{possible} filled or live, {intents[intent_id].quantity} wanted",
            )


def same_terms(case: Case) -> Iterator[Violation]:
    """The order at the broker is the order that was approved: contract, side, quantity, limit."""
    children, intents = case.child_by_ref(), case.intent_by_id()
    for order in case.ours():
        child = children.get(order.order_ref)
        intent = intents.get(child.intent_id) if child is not None else None
        if child is None or intent is None:
            continue
        pairs = {
            "contract": (order.con_id, intent.con_id),
            "side": (order.action, intent.action),
            "quantity": (order.quantity, child.quantity),
            "limit": (order.limit, child.limit),
        }
        for name, (at_broker, recorded) in pairs.items():
            if recorded is not None and at_broker != recorded:
                yield Violation(
                    rule="same_terms",
                    subject=order.order_ref,
                    text=f"{name} is {at_broker} at the broker and {recorded} in the records",
                )


def executions_equal(case: Case) -> Iterator[Violation]:
    """Executions agree one to one: id, quantity, price, and commission once it is recorded."""
    prefix = f"{case.expected.installation}-"
    at_broker = {execution.exec_id: execution for execution in case.truth.executions}
    recorded = {execution.exec_id: execution for execution in case.records.executions}
    for exec_id, execution in at_broker.items():
        record = recorded.get(exec_id)
        if record is None:
            yield Violation(
                rule="execution_recorded", subject=exec_id, text="it is not in the records"
            )
            continue
        pairs = {
            "contract": (execution.con_id, record.con_id),
            "quantity": (execution.signed, record.signed),
            "price": (execution.price, record.price),
            "commission": (execution.commission, record.commission),
            "foreign": (not execution.order_ref.startswith(prefix), record.foreign),
        }
        for name, (real, said) in pairs.items():
            if said is not None and real != said:
                yield Violation(
                    rule="execution_equal",
                    subject=exec_id,
                    text=f"{name} is {real} at the broker and {said} in the records",
                )
    for exec_id in recorded.keys() - at_broker.keys():
        yield Violation(
            rule="execution_real", subject=exec_id, text="the broker knows no such execution"
        )


def fills_add_up(case: Case) -> Iterator[Violation]:
    """A child's filled quantity is the sum of its executions."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for execution in case.records.executions:
        if execution.child_id is not None:
            sums[execution.child_id] += abs(execution.signed)
    for child in case.records.children:
        if child.filled_quantity != sums[child.id]:
            yield Violation(
                rule="fills_add_up",
                subject=child.order_ref,
                text=f"filled_quantity {child.filled_quantity}, executions {sums[child.id]}",
            )


def _states_for(order: BrokerOrder) -> frozenset[str]:
    if order.status == "Filled":
        return frozenset({"filled"})
    if order.status == "Inactive":
        return frozenset({"rejected_by_broker"})
    if order.status == "Cancelled":
        # The broker tells an expiry as a cancel; both names are true then.
        expired = {"expired"} if order.end_reason == "expired" else set()
        return frozenset({"cancelled"} | expired)
    return frozenset({"working"})


def states_agree(case: Case) -> Iterator[Violation]:
    """Each child's state is what the broker says; one that the broker lacks never rests as live."""
    children = case.child_by_ref()
    orders = {order.order_ref: order for order in case.ours()}
    for order_ref, child in children.items():
        order = orders.get(order_ref)
        if order is not None:
            allowed = _states_for(order)
            at_broker = f"{order.status} at the broker"
        else:
            allowed = frozenset({"absent", "expired", "approved"})
            at_broker = "not at the broker"
        if child.state not in allowed:
            yield Violation(
                rule="states_agree", subject=order_ref, text=f"{child.state}, but {at_broker}"
            )


def absence_is_true(case: Case) -> Iterator[Violation]:
    """What was judged absent never was at the broker."""
    for order in case.ours():
        if order.order_ref in case.records.judged_absent:
            yield Violation(
                rule="absence_is_true",
                subject=order.order_ref,
                text=f"it was judged absent, and the broker has it as {order.status}",
            )


def nothing_left_over(case: Case) -> Iterator[Violation]:
    """Every intent is final, at work at the broker, or with a person."""
    for intent in case.records.intents:
        if intent.state not in SETTLED_STATES:
            yield Violation(
                rule="finished", subject=intent.id, text=f"{intent.symbol} stays {intent.state}"
            )


def positions_and_cash(case: Case) -> Iterator[Violation]:
    """The broker's holdings and cash are the opening ones plus every recorded execution."""
    expected = defaultdict(Decimal, case.expected.opening.positions)
    cash = case.expected.opening.cash
    fees = {execution.exec_id: execution.commission for execution in case.truth.executions}
    for execution in case.records.executions:
        if execution.con_id is not None:
            expected[execution.con_id] += execution.signed
        fee = execution.commission
        fee = fees.get(execution.exec_id, Decimal(0)) if fee is None else fee
        cash -= execution.signed * execution.price * execution.multiplier + fee
    for con_id in expected.keys() | case.truth.positions.keys():
        held = case.truth.positions.get(con_id, Decimal(0))
        if held != expected[con_id]:
            yield Violation(
                rule="positions",
                subject=str(con_id),
                text=f"the broker holds {held}, the records add up to {expected[con_id]}",
            )
    if abs(cash - case.truth.cash) >= _CENT:
        yield Violation(
            rule="cash",
            subject=case.truth.account,
            text=f"the broker has {case.truth.cash}, the records add up to {cash}",
        )


def halt_wins(case: Case) -> Iterator[Violation]:
    """No opening order reached the broker between the commit of a halt and its end."""
    children, intents = case.child_by_ref(), case.intent_by_id()
    changes = sorted(case.records.gate_changes, key=lambda change: change.committed_at)
    for order in case.ours():
        child = children.get(order.order_ref)
        intent = intents.get(child.intent_id) if child is not None else None
        if intent is not None and intent.effect != "opening":
            continue
        before = [change for change in changes if change.committed_at < order.placed_at]
        if before and before[-1].halted:
            late = order.placed_at - before[-1].committed_at
            yield Violation(
                rule="halt_wins",
                subject=order.order_ref,
                text=f"it reached the broker {late:.3f} s after a halt was committed",
            )


def reservations(case: Case) -> Iterator[Violation]:
    """Buying power is reserved while an opening sale can fill, and given back after it ended."""
    held = {item.intent_id for item in case.records.reservations if not item.released}
    for intent in case.records.intents:
        if intent.state in FINAL_STATES and intent.id in held:
            yield Violation(
                rule="reservation_released",
                subject=intent.id,
                text=f"the intent is {intent.state} and its reservation stands",
            )
        opening_sale = intent.effect == "opening" and intent.action == "SELL"
        if intent.state == "working" and opening_sale and intent.id not in held:
            yield Violation(
                rule="reservation_stands",
                subject=intent.id,
                text="the order is live and nothing is reserved for it",
            )


def runs_explained(case: Case) -> Iterator[Violation]:
    """Every run ended, and a finished one has a decision for every configured symbol."""
    for run in case.records.runs:
        if run.status not in ("finished", "failed", "missed"):
            yield Violation(rule="run_ended", subject=run.id, text=f"it stays {run.status}")
        if run.status != "finished":
            continue
        for symbol in sorted(case.expected.symbols - run.decided_symbols):
            yield Violation(rule="explained", subject=run.id, text=f"no decision for {symbol}")


def critical_alerts_told(case: Case) -> Iterator[Violation]:
    """A critical alert reached the sink, or says that nobody could be reached."""
    bodies = case.expected.sink_bodies
    for alert in case.records.alerts:
        if alert.severity != "critical":
            continue
        if alert.delivery_state not in ("delivered", "dead"):
            yield Violation(
                rule="alert_ended",
                subject=alert.title,
                text=f"its delivery stays {alert.delivery_state}",
            )
        told = bodies is not None and any(_mentions(body, alert.title) for body in bodies)
        if alert.delivery_state == "delivered" and bodies is not None and not told:
            yield Violation(
                rule="alert_told", subject=alert.title, text="no message at the sink names it"
            )


def _mentions(body: str, title: str) -> bool:
    # Slack wants &, < and > escaped and cuts long headers; JSON may escape what is not ASCII; a
    # message masks account numbers.
    title = title[:TITLE_LENGTH]
    escaped = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    forms = {title, escaped, json.dumps(title)[1:-1], json.dumps(escaped)[1:-1]}
    masked = (ACCOUNT_NUMBER.sub("\0", form) for form in forms)
    patterns = (r"\S+".join(map(re.escape, form.split("\0"))) for form in masked)
    return any(re.search(pattern, body) for pattern in patterns)


def journal_chain(case: Case) -> Iterator[Violation]:
    """Each account's journal is gap-free, chained, says what its columns say, and ends at its head.

    hash = SHA-256(previous hash + text), in hexadecimal; the first row follows 64 zeros.
    """
    ends: dict[str, tuple[int, str]] = {}
    broken: set[str] = set()
    for row in sorted(case.records.journal, key=lambda entry: (entry.account, entry.sequence)):
        if row.account in broken:
            continue
        problem = _journal_problem(row, *ends.get(row.account, (0, FIRST_HASH)))
        if problem:
            broken.add(row.account)
            yield Violation(
                rule="journal", subject=f"{row.account} row {row.sequence}", text=problem
            )
        ends[row.account] = (row.sequence, row.hash)
    for account, head in case.records.journal_heads.items():
        if account not in broken and ends.get(account, (0, FIRST_HASH)) != head:
            yield Violation(
                rule="journal", subject=account, text=f"its head says {head}, its last row differs"
            )


def _journal_problem(row: JournalEntry, sequence: int, last_hash: str) -> str:
    if row.sequence != sequence + 1:
        return f"row {sequence + 1} is missing"
    if row.previous_hash != last_hash:
        return "it does not follow the row before it"
    if hashlib.sha256(f"{last_hash}{row.body}".encode()).hexdigest() != row.hash:
        return "its text does not give its hash"
    said = json.loads(row.body)
    if (said.get("account"), said.get("sequence")) != (row.account, row.sequence):
        return "its columns differ from its text"
    return ""


RULES: tuple[Rule, ...] = (
    no_order_without_intent,
    cancel_has_command,
    modify_has_command,
    never_twice,
    same_terms,
    executions_equal,
    fills_add_up,
    states_agree,
    absence_is_true,
    nothing_left_over,
    positions_and_cash,
    halt_wins,
    reservations,
    runs_explained,
    critical_alerts_told,
    journal_chain,
)
