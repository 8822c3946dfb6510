"""Reviews against a real PostgreSQL, with the service's own role."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from tests.integration.risk.conftest import ACCOUNT, LIMITS, MARKET_AT, Books, put, put_sale
from theta.common.domain.orders import Action, Effect, IntentKind, OrderState, TradingState
from theta.common.domain.portfolio import Position
from theta.common.postgres.gate import tighten
from theta.common.postgres.journal import read_heads, read_rows, verify
from theta.common.postgres.orders import move_intent
from theta.common.postgres.tables import (
    alert,
    buying_power_reservation,
    journal,
    outbox,
    risk_verdict,
)
from theta.common.telemetry import names
from theta.common.telemetry.traces import span
from theta.risk.domain.framework import limits_hash
from theta.risk.domain.registry import CONTROLS

SPY = put("SPY", "760")


class CrashError(Exception):
    """What a fault point raises here instead of killing the process."""


class CrashAt:
    def __init__(self, name: str) -> None:
        self._name = name

    def reach(self, name: str) -> None:
        if name == self._name:
            raise CrashError(name)


def test_an_order_within_all_limits_is_approved_reserved_and_handed_on(books: Books) -> None:
    intent_id = books.propose(put_sale(SPY))
    with span(names.SPAN_JOB):
        assert books.review()(intent_id) == "approved"
    assert books.state_of(intent_id) == "approved"
    (reserved,) = books.rows(select(buying_power_reservation))
    assert (reserved.intent_id, reserved.amount, reserved.currency) == (intent_id, 76000, "USD")
    (job,) = books.rows(select(outbox).where(outbox.c.job_name == "orders.submit"))
    assert (job.queue, job.subject_id) == ("orders.main", str(intent_id))
    assert job.traceparent is not None
    with books.writing() as connection:
        assert verify(read_rows(connection), read_heads(connection)).intact


def test_every_control_is_stored_with_limit_and_observed_on_a_pass_and_on_a_refusal(
    books: Books,
) -> None:
    passed = books.propose(put_sale(SPY))
    refused = books.propose(put_sale(SPY, quantity=11))
    review = books.review()
    review(passed)
    review(refused)
    for intent_id in (passed, refused):
        (verdict,) = books.rows(select(risk_verdict).where(risk_verdict.c.intent_id == intent_id))
        assert [c["control"] for c in verdict.controls] == [c.code for c in CONTROLS]
        assert all(c["limit"] and c["observed"] for c in verdict.controls)
        assert verdict.limits_hash == limits_hash(LIMITS)
        assert verdict.market_at == MARKET_AT
    assert books.refusal_codes(refused) == [
        "order_quantity.above_limit",
        "assignment_cash.insufficient",
    ]


def test_a_refusal_reserves_nothing_sends_nothing_and_tells_a_person(books: Books) -> None:
    intent_id = books.propose(put_sale(SPY, quantity=6))
    assert books.review()(intent_id) == "rejected"
    assert books.state_of(intent_id) == "rejected"
    assert books.rows(select(buying_power_reservation)) == []
    assert books.rows(select(outbox).where(outbox.c.job_name == "orders.submit")) == []
    (told,) = books.rows(select(alert))
    assert (told.severity, told.kind) == ("warning", "risk.refused")
    assert told.context["codes"] == ["assignment_cash.insufficient"]


def test_a_repeated_job_changes_nothing(books: Books) -> None:
    accepted, refused = books.propose(put_sale(SPY)), books.propose(put_sale(SPY, quantity=11))
    review = books.review()
    review(accepted)
    review(refused)

    def everything() -> list[object]:
        tables = (risk_verdict, buying_power_reservation, outbox, alert, journal)
        return [books.rows(select(table)) for table in tables]

    before = everything()
    assert [review(accepted), review(refused), review(uuid4())] == ["nothing"] * 3
    assert everything() == before


@pytest.mark.parametrize("reviewers", [2, 6])
def test_concurrent_reviewers_never_spend_the_same_dollar(books: Books, reviewers: int) -> None:
    # 360,000 are free: four puts of 76,000 fit, whoever comes first.
    intents = [books.propose(put_sale(SPY)) for _ in range(8)]
    start = threading.Barrier(reviewers)

    def work(mine: list[object]) -> list[str]:
        review = books.review()
        start.wait(timeout=10)
        return [review(intent_id) for intent_id in mine]  # type: ignore[arg-type]  # UUIDs

    with ThreadPoolExecutor(reviewers) as pool:
        shares = [intents[number::reviewers] for number in range(reviewers)]
        outcomes = [outcome for done in pool.map(work, shares) for outcome in done]
    assert sorted(outcomes) == ["approved"] * 4 + ["rejected"] * 4
    (total,) = books.rows(text("select sum(amount) from buying_power_reservation"))
    assert total[0] == Decimal(304000)


def test_one_intent_reviewed_twice_at_once_is_reviewed_once(books: Books) -> None:
    intent_id = books.propose(put_sale(SPY))
    start = threading.Barrier(2)

    def work(_: int) -> str:
        review = books.review()
        start.wait(timeout=10)
        return review(intent_id)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(work, range(2))) == ["approved", "nothing"]
    assert len(books.rows(select(risk_verdict))) == 1


def test_a_released_reservation_is_free_again_and_an_unreleased_one_is_not(books: Books) -> None:
    review = books.review()
    first = [books.propose(put_sale(SPY)) for _ in range(4)]
    assert [review(intent_id) for intent_id in first] == ["approved"] * 4
    assert review(books.propose(put_sale(SPY))) == "rejected"
    with books.writing() as connection:
        move_intent(connection, first[0], OrderState.WITHDRAWN, reason="test", actor="test")
    assert review(books.propose(put_sale(SPY))) == "rejected"
    with books.writing() as connection:
        connection.execute(
            text(
                "update buying_power_reservation set released_at = clock_timestamp()"
                f" where intent_id = '{first[0]}'"
            )
        )
    assert review(books.propose(put_sale(SPY))) == "approved"


@pytest.mark.parametrize(
    ("scope", "key", "state"),
    [
        ("account", ACCOUNT, TradingState.HALTED),
        ("account", ACCOUNT, TradingState.REDUCING),
        ("strategy", "wheel", TradingState.HALTED),
        ("symbol", "SPY", TradingState.HALTED),
    ],
)
def test_a_tightened_scope_refuses_an_opening(
    books: Books, scope: str, key: str, state: TradingState
) -> None:
    with books.writing() as connection:
        tighten(
            connection,
            account=ACCOUNT,
            scope=scope,  # type: ignore[arg-type]  # one of the three literals above
            scope_key=key,
            state=state,
            cause="test",
            reason="test",
            actor="test",
        )
    intent_id = books.propose(put_sale(SPY))
    assert books.review()(intent_id) == "rejected"
    assert books.refusal_codes(intent_id) == [f"trading_gate.{state.value}"]


def test_another_symbol_passes_a_halt_of_one_symbol(books: Books) -> None:
    with books.writing() as connection:
        tighten(
            connection,
            account=ACCOUNT,
            scope="symbol",
            scope_key="QQQ",
            state=TradingState.HALTED,
            cause="test",
            reason="test",
            actor="test",
        )
    assert books.review()(books.propose(put_sale(SPY))) == "approved"


def test_an_account_without_gate_refuses(books: Books) -> None:
    with books.writing() as connection:
        connection.execute(text("delete from trading_gate"))
    intent_id = books.propose(put_sale(SPY))
    assert books.review()(intent_id) == "rejected"
    assert books.refusal_codes(intent_id) == ["trading_gate.halted"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("delete from broker_session", "session_open.no_market_time"),
        (
            "update broker_session set observed_at = clock_timestamp() - interval '6 seconds'",
            "session_open.market_time_stale",
        ),
        (
            "update broker_session set market_at = '2026-08-19 13:45+00'",
            "session_open.too_near_the_edge",
        ),
        ("update broker_session set market_at = '2026-08-16 15:30+00'", "session_open.closed"),
        (
            "update broker_session set market_at = market_at + interval '31 seconds'",
            "quote_fresh.stale",
        ),
        (
            "update broker_session set market_at = market_at - interval '3 seconds'",
            "quote_fresh.future",
        ),
        ("update order_intent set quote = null", "quote_fresh.missing"),
        ("update order_intent set quote = '[]'", "quote_fresh.missing"),
        ("update order_intent set quote = quote - 'data_type'", "quote_fresh.missing"),
        ("update order_intent set quote = quote - 'trusted'", "quote_fresh.untrusted"),
        ("update order_intent set quote = quote - 'bid_size'", "quote_fresh.one_sided"),
        ('update order_intent set quote = quote || \'{"bid": "NaN"}\'', "quote_fresh.one_sided"),
        (
            'update order_intent set quote = quote || \'{"at": "2026-08-19T15:30:00"}\'',
            "quote_fresh.missing",
        ),
        ("update order_intent set quote = quote || '{\"data_type\": 3}'", "quote_fresh.not_live"),
        ("update order_intent set limit_price = 'NaN'", "price_collar.no_limit"),
        ("update order_intent set price_floor = null", "price_collar.no_bounds"),
        ("update order_intent set price_floor = 1.26", "price_collar.below_floor"),
        ("update portfolio_snapshot set complete = false", "assignment_cash.no_snapshot"),
        (
            "update portfolio_snapshot set taken_at = taken_at - interval '121 seconds'",
            "assignment_cash.stale_snapshot",
        ),
        (
            "update portfolio_snapshot set taken_at = taken_at + interval '60 seconds'",
            "assignment_cash.stale_snapshot",
        ),
        ("update portfolio_snapshot set buying_power = null", "assignment_cash.no_buying_power"),
        ("update portfolio_snapshot set buying_power = 'NaN'", "assignment_cash.no_buying_power"),
        (
            "update portfolio_snapshot set net_liquidation = null",
            "assignment_cash.no_net_liquidation",
        ),
        (
            "update portfolio_snapshot set net_liquidation = 'NaN'",
            "assignment_cash.no_net_liquidation",
        ),
        ("update portfolio_snapshot set currency = 'EUR'", "assignment_cash.currency"),
        ("delete from broker_account", "assignment_cash.no_snapshot"),
    ],
)
def test_a_missing_or_stale_or_impossible_input_is_a_refusal_with_its_code(
    books: Books, change: str, code: str
) -> None:
    intent_id = books.propose(put_sale(SPY))
    with books.writing() as connection:
        connection.execute(text(change.replace(":", r"\:")))
    assert books.review()(intent_id) == "rejected"
    assert code in books.refusal_codes(intent_id)


def test_an_intent_past_its_validity_expires(books: Books) -> None:
    order = replace(put_sale(SPY), expires_market_at=MARKET_AT - timedelta(seconds=1))
    intent_id = books.propose(order)
    assert books.review()(intent_id) == "expired"
    assert books.state_of(intent_id) == "expired"


def test_held_stock_short_puts_and_orphans_use_up_cash(books: Books) -> None:
    books.snapshot(
        positions=(
            Position(contract=put("QQQ", "600"), quantity=Decimal(-3), average_cost_usd=None),
        )
    )
    # 360,000 − 180,000: two puts of 76,000 fit, a third does not.
    review = books.review()
    outcomes = [review(books.propose(put_sale(SPY))) for _ in range(3)]
    assert outcomes == ["approved", "approved", "rejected"]


def test_a_close_larger_than_the_position_is_no_reduction(books: Books) -> None:
    books.snapshot(positions=(Position(contract=SPY, quantity=Decimal(-2), average_cost_usd=None),))
    closing = replace(
        put_sale(SPY), action=Action.BUY, effect=Effect.REDUCING, kind=IntentKind.CLOSE
    )
    review = books.review()
    assert review(books.propose(closing)) == "approved"
    assert review(books.propose(closing)) == "approved"
    third = books.propose(closing)
    assert review(third) == "rejected"
    assert books.refusal_codes(third) == ["assignment_cash.not_reducing"]
    lie = books.propose(replace(put_sale(SPY), effect=Effect.REDUCING))
    assert review(lie) == "rejected"
    assert books.refusal_codes(lie) == ["assignment_cash.not_reducing"]


def test_a_crash_before_the_commit_leaves_nothing_and_the_next_review_does_it_all(
    books: Books,
) -> None:
    intent_id = books.propose(put_sale(SPY))
    with pytest.raises(CrashError):
        books.review(CrashAt("risk.review.before_commit"))(intent_id)
    assert books.state_of(intent_id) == "proposed"
    assert books.rows(select(risk_verdict)) == []
    assert books.review()(intent_id) == "approved"


def test_a_crash_after_the_commit_loses_nothing(books: Books) -> None:
    intent_id = books.propose(put_sale(SPY))
    with pytest.raises(CrashError):
        books.review(CrashAt("risk.review.after_commit"))(intent_id)
    assert books.state_of(intent_id) == "approved"
    assert books.review()(intent_id) == "nothing"
    assert len(books.rows(select(outbox).where(outbox.c.job_name == "orders.submit"))) == 1
