"""Tales for the gateway's stores: operations whose answers and rows both kinds must agree on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from tests.contract.store_story import ACCOUNT, MARKET_AT, PUT, Story
from theta.broker_gateway.domain.records import CancelRequest, ClaimRequest, ModifyRequest
from theta.broker_gateway.ports import BrokerOrder, EvidenceKind
from theta.common.domain.orders import Action, OrderState, TradingState
from theta.common.domain.portfolio import AccountValues, Portfolio, Position
from theta.common.errors import UnavailableError

Tale = Callable[[Story], None]
TALES: dict[str, Tale] = {}


def tale(tell: Tale) -> Tale:
    TALES[tell.__name__] = tell
    return tell


@tale
def claimed_once(story: Story) -> None:
    request = story.claimed()
    story.claim(request.intent_id)
    story.read(lambda: story.stores.claims.command_stands(request) is not None)
    story.read(lambda: story.stores.claims.command_stands(replace(request, epoch=99)) is not None)
    story.read(story.stores.claims.highest_order_id)


@tale
def claimed_by_an_old_epoch(story: Story) -> None:
    story.claim(story.approve(), epoch=99)
    story.read(lambda: len(story.stores.claims.approved_intents()))


@tale
def claimed_too_late(story: Story) -> None:
    story.claim(story.approve(expires=MARKET_AT))


@tale
def claimed_under_a_halt(story: Story) -> None:
    opening, closing = story.approve(), story.approve(opening=False)
    story.tighten(TradingState.HALTED)
    for intent_id in (opening, closing, story.approve()):
        story.claim(intent_id)


@tale
def claimed_while_reducing(story: Story) -> None:
    story.tighten(TradingState.REDUCING)
    story.claim(story.approve(opening=False))
    story.snapshot(quantity=-2)
    for quantity in (3, 2, 1):
        story.claim(story.approve(opening=False, quantity=quantity))


@tale
def claimed_in_a_halted_symbol(story: Story) -> None:
    story.tighten(TradingState.HALTED, scope="symbol", scope_key="QQQ")
    story.claimed()
    story.tighten(TradingState.HALTED, scope="symbol", scope_key="SPY")
    story.claimed()


@tale
def claimed_beside_an_unknown(story: Story) -> None:
    request = story.claimed()
    story.stores.orders.mark_unknown(request.child_id, reason="test")
    story.claimed()
    story.claimed(contract=replace(PUT, symbol="QQQ"))
    story.claimed(opening=False)


@tale
def crashed_before_the_commit(story: Story) -> None:
    for _ in range(2):
        story.stores.faults.raising["gateway.claim.before_commit"] = UnavailableError("gone")
        with pytest.raises(UnavailableError):
            story.claimed()


@tale
def not_sent_and_unknown(story: Story) -> None:
    for outcome in ("not_sent", "unknown"):
        request = story.claimed(contract=replace(PUT, symbol=outcome.upper()))
        story.stores.claims.mark_unsent(
            request.child_id, request.command_id, outcome=outcome, reason="test"
        )


@tale
def sent_after_its_acknowledgement(story: Story) -> None:
    for first in (True, False):
        request = story.claimed()
        if first:
            story.open(request)
        story.stores.claims.mark_sent(request.command_id, sent_at=MARKET_AT)
        story.says.append(story.stores.claims.command_stands(request) is not None)


@tale
def filled_in_parts_and_again(story: Story) -> None:
    request = story.claimed()
    story.open(request)
    for exec_id in ("x.01.01", "x.01.01", "x.02.01"):
        story.fill(request, exec_id, 1)
    story.open(request)


@tale
def filled_before_any_status(story: Story) -> None:
    request = story.claimed()
    story.fill(request, "x.01.01", 1)
    story.fill(request, "x.02.01", 1)


@tale
def corrected(story: Story) -> None:
    request = story.claimed()
    story.fill(request, "x.01.01", 1)
    story.fill(request, "x.01.02", 2)
    story.fill(request, "x.01.01", 1)


@tale
def commission_before_and_after(story: Story) -> None:
    request = story.claimed()
    for exec_id in ("x.01.01", "x.02.01"):
        story.hear(EvidenceKind.COMMISSION, request, exec_id=exec_id, commission="1.25")
        story.fill(request, exec_id, 1)
        story.hear(EvidenceKind.COMMISSION, request, exec_id=exec_id, commission="1.50")


@tale
def overfilled_and_of_another_side(story: Story) -> None:
    request = story.claimed()
    story.fill(request, "x.01.01", 1, side="BUY")
    story.fill(request, "x.02.01", 5)


@tale
def an_unreadable_fill(story: Story) -> None:
    story.fill(story.claimed(), "x.01.01", 1, price=None)


@tale
def an_orphan_is_adopted(story: Story) -> None:
    request = replace(story.claimed(), order_ref="theta-" + "z" * 20, order_id=99)
    story.fill(request, "x.01.01", 1)
    story.read(lambda: len(story.stores.orders.known_refs([request.order_ref, "other"])))


@tale
def a_foreign_fill_is_kept(story: Story) -> None:
    story.fill(replace(story.claimed(), order_ref="mine", order_id=99), "x.01.01", 1)


@tale
def ended_by_the_broker(story: Story) -> None:
    for status in ("Cancelled", "Inactive", "ApiCancelled", "Filled"):
        request = story.claimed(contract=replace(PUT, symbol=f"S{len(story.refs)}"))
        story.open(request)
        story.hear(EvidenceKind.ORDER_STATUS, request, status=status, filled="0", client_id=17)
        story.open(request)


@tale
def completed_before_it_was_acknowledged(story: Story) -> None:
    for status, text in (("Cancelled", "expired"), ("Inactive", "no margin"), ("Cancelled", "")):
        request = story.claimed(contract=replace(PUT, symbol=f"S{len(story.refs)}"))
        story.hear(
            EvidenceKind.COMPLETED_ORDER, request, status=status, completed_text=text, filled="0"
        )


@tale
def errors_on_an_order(story: Story) -> None:
    for code in (201, 202, 399, 161, 9999, 2109):
        request = story.claimed(contract=replace(PUT, symbol=f"S{len(story.refs)}"))
        story.hear(EvidenceKind.ERROR, request, code=code, message="test")


@tale
def filled_after_its_end(story: Story) -> None:
    for quantity in (1, 2):
        request = story.claimed(contract=replace(PUT, symbol=f"S{len(story.refs)}"))
        story.hear(EvidenceKind.ERROR, request, code=202, message="cancelled")
        story.read(lambda: len(story.stores.orders.watched()))
        contract = replace(PUT, symbol=f"S{len(story.refs) - 1}").to_record()
        story.fill(request, f"x.0{quantity}.01", quantity, contract=contract)


@tale
def filled_after_absent(story: Story) -> None:
    request = story.claimed()
    story.stores.orders.mark_unknown(request.child_id, reason="test")
    story.read(lambda: story.stores.orders.move(request.child_id, OrderState.ABSENT, reason="test"))
    story.open(request)
    story.fill(request, "x.01.01", 1)


@tale
def moved_where_it_may_not(story: Story) -> None:
    request = story.claimed()
    for target in (OrderState.ABSENT, OrderState.SUBMITTING, OrderState.WORKING):
        story.read(lambda to=target: story.stores.orders.move(request.child_id, to, reason="t"))  # type: ignore[misc]  # binds the loop's value
    story.read(lambda: story.stores.orders.mark_unknown(uuid4(), reason="t"))


@tale
def inferred_whole_and_in_part(story: Story) -> None:
    for filled in (2, 1, 0):
        request = story.claimed(contract=replace(PUT, symbol=f"S{len(story.refs)}"))
        story.stores.orders.mark_unknown(request.child_id, reason="test")
        (child,) = story.stores.orders.children({OrderState.UNKNOWN})
        story.stores.orders.infer(child, filled=filled, at=MARKET_AT, reason="test")
        story.stores.orders.infer(child, filled=filled, at=MARKET_AT, reason="test")
        if filled:
            story.fill(request, f"x.0{filled}.01", filled)


@tale
def the_position_before_a_claim(story: Story) -> None:
    request = story.claimed()
    child = story.stores.claims.child(request.child_id)
    story.read(lambda: story.stores.orders.position_baseline(child))
    story.snapshot(quantity=-3)
    story.read(lambda: story.stores.orders.position_baseline(child))
    story.fill(request, "x.01.01", 1)
    story.read(lambda: story.stores.orders.position_baseline(child))
    story.read(lambda: story.stores.orders.other_candidates(child))
    story.claimed()
    story.read(lambda: story.stores.orders.other_candidates(child))


@tale
def a_fill_told_with_the_second_of_a_snapshot(story: Story) -> None:
    request = story.claimed()
    child = story.stores.claims.child(request.child_id)
    story.snapshot(quantity=-3)
    at = MARKET_AT - timedelta(minutes=5, milliseconds=600)
    story.fill(request, "x.01.01", 1, executed_at=at.isoformat())
    story.read(lambda: story.stores.orders.position_baseline(child))
    foreign = replace(request, order_ref="mine", order_id=99)
    story.fill(foreign, "x.02.01", 1, executed_at=at.isoformat())
    story.read(lambda: story.stores.orders.position_baseline(child))


@tale
def cancelled_and_asked_again(story: Story) -> None:
    request = story.claimed()
    for _ in range(2):
        cancel = _cancel(request)
        story.read(lambda asked=cancel: story.stores.claims.claim_cancel(asked))  # type: ignore[misc]  # binds the loop's value
        story.stores.claims.mark_cancel(cancel.command_id, outcome="sent", sent_at=MARKET_AT)
    story.read(lambda: len(story.stores.claims.cancels_due(older_than_seconds=60)))
    story.read(lambda: len(story.stores.claims.cancels_due(older_than_seconds=0)))
    story.hear(EvidenceKind.ERROR, request, code=202, message="cancelled")
    story.read(lambda: story.stores.claims.claim_cancel(_cancel(request)))
    story.read(lambda: len(story.stores.claims.cancels_due(older_than_seconds=0)))


@tale
def cancels_from_a_spool(story: Story) -> None:
    request = story.claimed()
    sent = {"command_id": str(uuid4()), "order_ref": request.order_ref, "order_id": 7,
            "connection_no": 1}  # fmt: skip
    record = {"id": "one", "account": "*", "market_at": MARKET_AT.isoformat(),
              "cancels": [sent, {**sent, "order_ref": "other"}]}  # fmt: skip
    story.stores.claims.store_spooled_cancels(record, story.epoch)
    story.stores.claims.store_spooled_cancels(record, story.epoch)


@tale
def given_another_price(story: Story) -> None:
    request = story.claimed()
    _modify(story, request, "5.10")
    story.open(request)
    story.read(lambda: story.stores.modifies.live_child_of(request.intent_id) is not None)
    for price in ("9.00", "5.00", "5.10", "5.20"):
        _modify(story, request, price)
    story.open(request, price="5.10")
    _modify(story, request, "5.20")
    story.hear(EvidenceKind.ERROR, request, code=201, message="no")
    story.stores.claims.claim_cancel(_cancel(request))
    _modify(story, request, "5.30")


@tale
def given_another_price_under_a_halt(story: Story) -> None:
    request = story.claimed()
    story.open(request)
    story.tighten(TradingState.HALTED)
    _modify(story, request, "5.10")


@tale
def overdue(story: Story) -> None:
    request = story.claimed()
    for seconds, epoch in ((60.0, story.epoch), (0.0, story.epoch), (60.0, 99)):
        story.read(
            lambda within=seconds, held=epoch: len(  # type: ignore[misc]  # binds the loop's values
                story.stores.orders.overdue(within_seconds=within, epoch=held)
            )
        )
    story.open(request)
    story.read(lambda: len(story.stores.orders.overdue(within_seconds=0.0, epoch=1)))


@tale
def tightened_once_for_a_record(story: Story) -> None:
    story.claimed()
    story.approve()
    story.tighten(TradingState.HALTED, "one")
    story.tighten(TradingState.HALTED, "one")
    story.read(lambda: story.stores.gate.has_open(ACCOUNT, "operator"))
    story.read(story.stores.gate.states)
    story.read(
        lambda: story.stores.gate.lift(
            ACCOUNT, scope="account", scope_key=ACCOUNT, cause=None, reason="go", actor="ann"
        )
    )
    story.tighten(TradingState.HALTED, "one")
    story.read(story.stores.gate.states)


@tale
def the_strictest_of_several_states(story: Story) -> None:
    story.tighten(TradingState.REDUCING, scope="symbol", scope_key="SPY")
    story.read(story.stores.gate.states)
    story.tighten(TradingState.REDUCING)
    story.tighten(TradingState.HALTED)
    story.read(story.stores.gate.states)
    story.read(story.stores.gate.accounts)
    story.read(lambda: story.stores.gate.create(ACCOUNT, state=TradingState.ACTIVE, reason="t"))


@tale
def a_lease_changes_hands(story: Story) -> None:
    session = story.stores.session
    story.read(lambda: session.acquire_lease("two", 60.0))
    story.read(lambda: session.renew_lease("one", story.epoch, 60.0))
    story.read(lambda: session.renew_lease("two", story.epoch, 60.0))
    story.read(lambda: session.acquire_lease("one", 60.0))
    session.release_lease("one", 2)
    story.read(lambda: session.renew_lease("one", 2, 60.0))
    story.read(lambda: session.acquire_lease("two", 60.0))
    story.claimed()


@tale
def reservations_end(story: Story) -> None:
    stores = story.stores
    early = stores.snapshots.now()
    requests = [story.claimed(contract=PUT) for _ in range(2)]
    for request in requests:
        stores.reserve(request.intent_id)
    story.read(stores.snapshots.awaiting_release)
    story.hear(EvidenceKind.ERROR, requests[0], code=202, message="cancelled")
    story.read(stores.snapshots.awaiting_release)
    story.snapshot(quantity=0, requested_at=early)
    story.snapshot(quantity=0)
    story.fill(requests[1], "x.01.01", 2)
    story.snapshot(quantity=0)
    story.snapshot(quantity=-2)
    story.read(stores.snapshots.awaiting_release)


@tale
def reconciled(story: Story) -> None:
    stores, request = story.stores, story.claimed()
    story.read(lambda: stores.snapshots.baseline(ACCOUNT))
    story.read(lambda: stores.snapshots.last_was_clean(ACCOUNT))
    stores.snapshots.accept(ACCOUNT, actor="ann", reason="none yet")
    story.fill(request, "x.01.01", 1)
    counted_to = stores.snapshots.now()
    for clean in (True, False):
        _reconciliation(story, clean=clean, counted_to=counted_to)
        story.read(lambda: stores.snapshots.last_was_clean(ACCOUNT))
    story.fill(request, "x.01.02", 2)
    story.read(
        lambda: sorted(
            fill.quantity_signed for fill in stores.snapshots.fills_after(ACCOUNT, counted_to)
        )
    )
    stores.snapshots.accept(ACCOUNT, actor="ann", reason="seen")
    story.read(lambda: [q for _, q in stores.snapshots.baseline(ACCOUNT).positions])


def _reconciliation(story: Story, *, clean: bool, counted_to: datetime) -> None:
    snapshot_id = uuid4()
    held = Position(contract=PUT, quantity=Decimal(-1), average_cost_usd=None)
    values = AccountValues(currency="USD", net_liquidation=None, total_cash=None, buying_power=None)
    story.stores.snapshots.store_portfolio(
        Portfolio(
            account=ACCOUNT, market_at=MARKET_AT, values=values, positions=(held,), complete=True
        ),
        snapshot_id=snapshot_id, requested_at=counted_to,
    )  # fmt: skip
    story.stores.snapshots.store(
        account=ACCOUNT, trigger="test", clean=clean,
        differences=[] if clean else [{"kind": "position", "explained": False}],
        actions={"snapshot_id": str(snapshot_id), "counted_to": counted_to.isoformat()},
        started_at=counted_to, market_at=MARKET_AT,
    )  # fmt: skip


@tale
def an_order_of_ours_is_adopted(story: Story) -> None:
    story.claimed()
    order = BrokerOrder(
        order_ref="theta-" + "z" * 20, order_id=9, perm_id=9, client_id=17, account=ACCOUNT,
        contract=PUT, action=Action.SELL, quantity=Decimal(1), filled=Decimal(0),
        remaining=Decimal(1), limit_price=Decimal("5.00"), status="Submitted",
    )  # fmt: skip
    for _ in range(2):
        story.read(lambda: story.stores.orders.adopt_orphan(order, market_at=MARKET_AT) is not None)


def _cancel(request: ClaimRequest) -> CancelRequest:
    return CancelRequest(
        command_id=uuid4(), child_id=request.child_id, order_ref=request.order_ref,
        account=ACCOUNT, epoch=request.epoch, connection_no=1, order_id=request.order_id,
        market_at=MARKET_AT,
    )  # fmt: skip


def _modify(story: Story, request: ClaimRequest, price: str) -> None:
    asked = ModifyRequest(
        command_id=uuid4(), child_id=request.child_id, order_ref=request.order_ref,
        account=ACCOUNT, epoch=request.epoch, connection_no=1, order_id=request.order_id,
        perm_id=1000 + request.order_id, market_at=MARKET_AT, limit_price=Decimal(price),
        send_within_ms=2000, actor="ann", reason="test",
    )  # fmt: skip
    claimed = story.stores.modifies.claim_modify(asked)
    story.says.append(getattr(claimed, "code", "claimed"))
    story.says.append(story.stores.modifies.modify_stands(asked))
