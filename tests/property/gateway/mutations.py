"""The order protocol with one rule broken: the model must see each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

import pytest

from tests.property.gateway.gateway_process import Rules
from tests.support.memory_database import ChildRow, IntentRow
from tests.support.memory_spools import Disk, MemoryEvidenceSpool
from tests.support.memory_stores import MemoryClaims
from theta.broker_gateway.domain import absence
from theta.broker_gateway.domain.absence import Round, Sought, Verdict
from theta.broker_gateway.domain.records import ClaimedOrder, ClaimRequest, NotClaimed
from theta.broker_gateway.domain.send_check import SendConditions
from theta.broker_gateway.ports import BrokerPort
from theta.broker_gateway.use_cases import (
    modify_order,
    reconcile,
    resolve_unknown,
    submit_order,
)
from theta.broker_gateway.use_cases.stores import SessionLoop
from theta.common.domain.orders import OrderState
from theta.common.ports import IdSource, ProcessClock

Setting = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A broken rule: other parts for the processes, or other functions in the product."""

    rules: type[Rules] = Rules
    apply: Setting = lambda patch: None


class _NothingIsRecorded(MemoryClaims):
    """An order is written without a claim of it."""

    def claim(self, request: ClaimRequest) -> ClaimedOrder | NotClaimed:
        claimed = super().claim(request)
        if isinstance(claimed, ClaimedOrder):
            with self._db.transaction():
                self._forget(request.command_id, claimed)
        return claimed

    def _forget(self, command_id: UUID, claimed: ClaimedOrder) -> None:
        del self._db.commands[command_id]
        del self._db.children[claimed.child_id]
        intent = self._db.intents[claimed.intent_id]
        changed = {name: getattr(intent, name) for name in IntentRow.__slots__}
        self._db.intents[intent.id] = IntentRow(**{**changed, "state": OrderState.APPROVED})

    def mark_sent(self, command_id: UUID, *, sent_at: datetime) -> None:
        """There is no command to mark."""

    def mark_unsent(self, child_id: UUID, command_id: UUID, *, outcome: str, reason: str) -> None:
        """There is no command to mark."""


class _GateIgnored(MemoryClaims):
    def _gate_refusal(self, intent: IntentRow) -> str | None:
        return None


class _PlacedAgain(MemoryClaims):
    """A second submission of an intent finds its child and places it once more."""

    def _claim(self, request: ClaimRequest) -> ClaimedOrder | NotClaimed:
        for child in self._db.children_of(request.intent_id):
            if child.state in {OrderState.SUBMITTING, OrderState.UNKNOWN}:
                return self._again(child, request)
        return super()._claim(request)

    def _again(self, child: ChildRow, request: ClaimRequest) -> ClaimedOrder:
        intent = self._db.intents[request.intent_id]
        assert intent.limit_price is not None
        return ClaimedOrder(
            intent_id=intent.id, child_id=child.id, command_id=request.command_id,
            epoch=request.epoch, connection_no=request.connection_no, order_id=request.order_id,
            order_ref=child.order_ref, account=intent.account, contract=intent.contract,
            action=intent.action, quantity=child.quantity, limit_price=intent.limit_price,
            strategy=intent.strategy, symbol=intent.symbol, effect=intent.effect,
            kind=intent.kind, approved_at=intent.updated_at,
        )  # fmt: skip

    def mark_sent(self, command_id: UUID, *, sent_at: datetime) -> None:
        if command_id in self._db.commands:
            super().mark_sent(command_id, sent_at=sent_at)

    def mark_unsent(self, child_id: UUID, command_id: UUID, *, outcome: str, reason: str) -> None:
        if command_id in self._db.commands:
            super().mark_unsent(child_id, command_id, outcome=outcome, reason=reason)


class _NoSpool(MemoryEvidenceSpool):
    """What was not stored dies with the process."""

    def __init__(self, disk: Disk, ids: IdSource) -> None:
        super().__init__(disk, ids)
        self._inherited = []


class _NothingRecordedRules(Rules):
    claims = _NothingIsRecorded


class _GateIgnoredRules(Rules):
    claims = _GateIgnored


class _PlacedAgainRules(Rules):
    claims = _PlacedAgain


class _NoSpoolRules(Rules):
    spool = _NoSpool


class _NoFenceRules(Rules):
    client_id_is_a_fence = False


def _one_round(patch: pytest.MonkeyPatch) -> None:
    def judge(sought: Sought, rounds: list[Round], *, interval_seconds: float) -> Verdict:
        twice = [rounds[-1], rounds[-1]] if rounds else []
        apart = -1e9 if interval_seconds else 0.0
        return absence.judge(sought, twice, interval_seconds=apart)

    patch.setattr(resolve_unknown, "judge", judge)


def _swapped_order(patch: pytest.MonkeyPatch) -> None:
    def ask_round(broker: BrokerPort, loop: SessionLoop, clock: ProcessClock) -> Round:
        async def ask() -> Round:
            started, started_at = clock.boottime_seconds(), clock.wall_at()
            executions = tuple(await broker.executions())
            completed = tuple(await broker.completed_orders())
            open_orders = tuple(await broker.open_orders())
            state, market_at = broker.state(), broker.market_at()
            assert market_at is not None
            return Round(
                connection_no=state.connection_no, client_id=state.client_id,
                started_seconds=started, ended_seconds=clock.boottime_seconds(),
                market_at=market_at, started_at=started_at, open_orders=open_orders,
                completed_orders=completed, executions=executions,
            )  # fmt: skip

        return loop.run(ask, timeout_seconds=60)

    patch.setattr(resolve_unknown, "ask_round", ask_round)
    patch.setattr(reconcile, "ask_round", ask_round)


def _any_time(patch: pytest.MonkeyPatch) -> None:
    def send_refusal(conditions: SendConditions) -> str | None:
        return None

    patch.setattr(submit_order, "send_refusal", send_refusal)


def _unidentified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(modify_order, "identity_refusal", lambda *_, **__: None)


MUTATIONS: Mapping[str, Mutation] = MappingProxyType(
    {
        "claim not required": Mutation(rules=_NothingRecordedRules),
        "an unclear order placed again": Mutation(rules=_PlacedAgainRules),
        "last test before the write skipped": Mutation(apply=_any_time),
        "absence after one round": Mutation(apply=_one_round),
        "query order swapped": Mutation(apply=_swapped_order),
        "spool skipped": Mutation(rules=_NoSpoolRules),
        "gate ignored": Mutation(rules=_GateIgnoredRules),
        "client id no fence": Mutation(rules=_NoFenceRules),
        "modify without identity check": Mutation(apply=_unidentified),
    }
)
