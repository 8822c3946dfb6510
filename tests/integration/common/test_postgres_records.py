"""The records of `theta.common.postgres` on a real PostgreSQL: orders, gate, lease, outbox."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.support.eventually import eventually
from tests.support.servers import Database
from theta.common.adapters import RandomIds, SystemClock
from theta.common.domain.decisions import ProposedOrder
from theta.common.domain.instruments import Contract, Right, SecType
from theta.common.domain.orders import (
    Action,
    Effect,
    IntentKind,
    OrderState,
    TradingState,
    make_order_ref,
)
from theta.common.errors import RefusedForNowError, UnavailableError
from theta.common.postgres import alerts, gate, lease, orders, outbox
from theta.common.postgres.clock import DatabaseMarketClock
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.tables import broker_session, child_order, metadata

ACCOUNT = "DU7"
AT = datetime(2026, 8, 13, 16, tzinfo=UTC)
PUT = Contract(
    symbol="SPY",
    sec_type=SecType.OPTION,
    expiry=date(2026, 9, 18),
    strike=Decimal(750),
    right=Right.PUT,
    multiplier=100,
)
S = OrderState


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    engine = make_engine(database.superuser_url, application_name="test", pool_size=3)
    yield engine
    engine.dispose()


def propose(
    connection: Connection, *, symbol: str = "SPY", effect: Effect = Effect.OPENING
) -> UUID:
    intent_id = uuid4()
    order = ProposedOrder(
        contract=PUT,
        action=Action.SELL,
        quantity=2,
        limit_price=Decimal("5.10"),
        price_floor=Decimal(5),
        price_ceiling=Decimal(9),
        kind=IntentKind.WRITE,
        effect=effect,
        expires_market_at=AT + timedelta(minutes=30),
        quote={},
    )
    orders.insert_intent(
        connection,
        intent_id=intent_id,
        account=ACCOUNT,
        session="main",
        run_id=None,
        decision_id=None,
        source="strategy",
        actor="test",
        strategy="wheel",
        symbol=symbol,
        order=order,
        decided_market_at=AT,
    )
    return intent_id


def add_child(connection: Connection, intent_id: UUID, sequence: int = 1) -> UUID:
    child_id = uuid4()
    connection.execute(
        insert(child_order).values(
            id=child_id,
            account=ACCOUNT,
            session="main",
            intent_id=intent_id,
            sequence=sequence,
            order_ref=make_order_ref("theta", RandomIds().token()),
            state="approved",
            quantity=2,
        )
    )
    return child_id


def move(connection: Connection, child_id: UUID, *states: OrderState) -> list[bool]:
    return [
        orders.move_child(connection, child_id, state, reason="test", actor="test")
        for state in states
    ]


def state_of(connection: Connection, intent_id: UUID) -> str:
    row = orders.get_intent(connection, intent_id)
    assert row is not None
    return str(row.state)


def test_the_migrated_schema_is_the_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_an_intent_follows_its_children_and_a_page_is_an_alert(engine: Engine) -> None:
    with transaction(engine) as connection:
        intent_id = propose(connection)
        orders.move_intent(connection, intent_id, S.APPROVED, reason="ok", actor="risk")
        child_id = add_child(connection, intent_id)
        assert move(connection, child_id, S.SUBMITTING, S.UNKNOWN, S.ABSENT) == [True] * 3
        assert state_of(connection, intent_id) == "absent"
        assert move(connection, child_id, S.WORKING) == [True]
        assert state_of(connection, intent_id) == "working"
        kinds = connection.execute(text("select kind, severity from alert")).all()
    assert [tuple(row) for row in kinds] == [("order.working", "critical")]


def test_an_illegal_move_changes_nothing_and_says_so(engine: Engine) -> None:
    with transaction(engine) as connection:
        intent_id = propose(connection)
        assert not orders.move_intent(connection, intent_id, S.WORKING, reason="x", actor="x")
        assert not orders.move_intent(connection, uuid4(), S.APPROVED, reason="x", actor="x")
        assert orders.move_intent(connection, intent_id, S.REJECTED, reason="x", actor="x")
        assert not orders.move_intent(connection, intent_id, S.REJECTED, reason="x", actor="x")
        assert state_of(connection, intent_id) == "rejected"


@pytest.mark.parametrize(
    "statement",
    [
        "update order_intent set state = 'working'",
        "update order_intent set quantity = 3",
        "update order_intent set action = 'BUY'",
        "update child_order set state = 'filled'",
        "update child_order set quantity = 3",
        "update child_order set order_ref = 'theta-aaaaaaaaaaaaaaaaaaaa'",
    ],
)
def test_the_database_refuses_what_the_protocol_forbids(engine: Engine, statement: str) -> None:
    with transaction(engine) as connection:
        add_child(connection, propose(connection))
    with pytest.raises(IntegrityError), transaction(engine) as connection:
        connection.execute(text(statement))


def test_a_child_is_placed_at_most_once(engine: Engine) -> None:
    def place(connection: Connection, child_id: UUID, attempt: int) -> None:
        connection.execute(
            text(
                "insert into broker_command (id, account, session, child_id, kind, attempt, epoch,"
                " connection_no, order_id, claimed_market_at, send_within_ms) values"
                " (gen_random_uuid(), 'DU7', 'main', :child, 'place', :attempt, 1, 1, 1,"
                " clock_timestamp(), 2000)"
            ),
            {"child": child_id, "attempt": attempt},
        )

    with transaction(engine) as connection:
        child_id = add_child(connection, propose(connection))
        place(connection, child_id, 1)
    with pytest.raises(IntegrityError), transaction(engine) as connection:
        place(connection, child_id, 2)


def test_a_halt_withdraws_openings_and_asks_to_cancel_what_lives(engine: Engine) -> None:
    with transaction(engine) as connection:
        gate.create_gate(
            connection,
            account=ACCOUNT,
            state=TradingState.ACTIVE,
            cause="start",
            reason="first",
            actor="test",
        )
        waiting, closing = propose(connection), propose(connection, effect=Effect.REDUCING)
        live = propose(connection)
        orders.move_intent(connection, live, S.APPROVED, reason="ok", actor="risk")
        child_id = add_child(connection, live)
        move(connection, child_id, S.SUBMITTING, S.WORKING)
        version = gate_version(connection)
        effect = halt(connection)
        assert effect.withdrawn == (waiting,)
        assert effect.cancels == (child_id,)
        assert state_of(connection, closing) == "proposed"
        assert gate_version(connection) > version
        jobs = {(row.queue, row.subject_id) for row in outbox.open_rows(connection, 10)}
        assert ("cancels.main", str(child_id)) in jobs


def halt(connection: Connection, *, scope: Any = "account", key: str = ACCOUNT) -> Any:
    return gate.tighten(
        connection,
        account=ACCOUNT,
        scope=scope,
        scope_key=key,
        state=TradingState.HALTED,
        cause="manual",
        reason="test",
        actor="test",
    )


def impatient_halt(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("set local lock_timeout = '100ms'"))
        halt(connection)


def gate_version(connection: Connection) -> int:
    row = gate.lock_gate(connection, ACCOUNT, mode="share")
    assert row is not None
    return row.version


def test_no_gate_is_halted_and_scopes_are_the_strictest(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert gate.effective_state(connection, ACCOUNT) is TradingState.HALTED
        gate.create_gate(
            connection,
            account=ACCOUNT,
            state=TradingState.ACTIVE,
            cause="start",
            reason="first",
            actor="test",
        )
        halt(connection, scope="symbol", key="SPY")
        assert gate.effective_state(connection, ACCOUNT) is TradingState.ACTIVE
        assert gate.effective_state(connection, ACCOUNT, symbol="SPY") is TradingState.HALTED
        assert gate.effective_state(connection, ACCOUNT, symbol="QQQ") is TradingState.ACTIVE
        halt(connection)
        gate.lift(
            connection,
            account=ACCOUNT,
            scope="account",
            scope_key=ACCOUNT,
            cause="manual",
            reason="fine",
            actor="test",
        )
        assert gate.effective_state(connection, ACCOUNT, symbol="SPY") is TradingState.HALTED
        assert gate.effective_state(connection, ACCOUNT) is TradingState.ACTIVE


def test_a_claim_holding_the_gate_blocks_a_halt_and_not_the_other_way(engine: Engine) -> None:
    with transaction(engine) as connection:
        gate.create_gate(
            connection,
            account=ACCOUNT,
            state=TradingState.ACTIVE,
            cause="start",
            reason="first",
            actor="test",
        )
    with transaction(engine) as claim:
        gate.lock_gate(claim, ACCOUNT, mode="share")
        with pytest.raises(UnavailableError):
            impatient_halt(engine)


def test_an_epoch_rises_and_an_old_one_is_seen(engine: Engine) -> None:
    def acquire(connection: Connection, holder: str, ttl_seconds: float = 30) -> int | None:
        return lease.acquire(
            connection, name="session:main", account="*", holder=holder, ttl_seconds=ttl_seconds
        )

    with transaction(engine) as connection:
        assert acquire(connection, "a") == 1
        assert acquire(connection, "b") is None
        assert lease.check(connection, name="session:main", epoch=1)
        assert lease.renew(connection, name="session:main", holder="a", epoch=1, ttl_seconds=30)
        assert acquire(connection, "a") == 2
        assert not lease.check(connection, name="session:main", epoch=1)
        lease.release(connection, name="session:main", holder="a", epoch=2)
        assert not lease.check(connection, name="session:main", epoch=2)
        assert acquire(connection, "b") == 3
        assert not lease.renew(connection, name="session:main", holder="a", epoch=2, ttl_seconds=30)


def test_an_alert_of_one_event_is_told_once(engine: Engine) -> None:
    with transaction(engine) as connection:
        ids = [
            alerts.raise_alert(
                connection,
                account=ACCOUNT,
                session=None,
                severity="warning",
                kind="risk.refused",
                title="t",
                message="m",
                context={"symbol": "SPY"},
                source_key="verdict:1",
            )
            for _ in range(2)
        ]
        jobs = outbox.open_rows(connection, 10)
    assert ids[0] is not None
    assert ids[1] is None
    assert [row.job_name for row in jobs] == ["alerts.deliver"]


def test_two_relays_never_take_the_same_row(engine: Engine) -> None:
    with transaction(engine) as connection:
        for number in range(2):
            outbox.post(
                connection, account="*", queue="risk", job_name="risk.review", subject_id=number
            )
    with transaction(engine) as one, transaction(engine) as two:
        first = outbox.open_rows(one, 1)
        second = outbox.open_rows(two, 10)
        assert {row.id for row in first}.isdisjoint({row.id for row in second})
        outbox.mark_enqueued(one, [row.id for row in first])
    with transaction(engine) as connection:
        assert len(outbox.open_rows(connection, 10)) == 1
        assert outbox.posted_since(
            connection, job_name="risk.review", subject_id=0, age=timedelta(minutes=1)
        )


def test_market_time_is_extrapolated_by_its_rate_and_absent_when_unknown(engine: Engine) -> None:
    clock = DatabaseMarketClock(engine, "main", SystemClock())
    assert clock.market_time() is None
    with transaction(engine) as connection:
        connection.execute(
            insert(broker_session).values(
                session="main",
                account=ACCOUNT,
                client_id=1,
                market_at=AT,
                observed_at=text("clock_timestamp() - interval '3 seconds'"),
                market_rate=60,
            )
        )
    found = DatabaseMarketClock(engine, "main", SystemClock()).market_time()
    assert found is not None
    assert 3 <= found.observed_age_seconds < 30
    ahead = (found.at - AT).total_seconds()
    assert ahead == pytest.approx(60 * found.observed_age_seconds, abs=0.01)


def test_a_transaction_that_idled_too_long_did_not_happen(engine: Engine) -> None:
    def idle_too_long() -> None:
        with transaction(engine) as connection:
            connection.execute(text("set local idle_in_transaction_session_timeout = '50ms'"))
            raised = alerts.raise_alert(
                connection,
                account=ACCOUNT,
                session=None,
                severity="info",
                kind="test",
                title="t",
                message="m",
                context={},
                source_key="idle",
            )
            assert raised is not None
            with engine.connect() as other:
                eventually(lambda: not idle_transactions(other))
            connection.execute(text("select 1"))

    with pytest.raises(UnavailableError):
        idle_too_long()
    with transaction(engine) as connection:
        assert connection.execute(text("select count(*) from alert")).scalar_one() == 0


def idle_transactions(connection: Connection) -> list[Any]:
    found = connection.execute(
        text(
            "select pid from pg_stat_activity where datname = current_database()"
            " and state like 'idle in transaction%' and pid <> pg_backend_pid()"
        )
    )
    rows = list(found)
    connection.commit()
    return rows


def tell(connection: Connection, source_key: str) -> None:
    alerts.raise_alert(
        connection,
        account=ACCOUNT,
        session=None,
        severity="info",
        kind="test",
        title="t",
        message="m",
        context={},
        source_key=source_key,
    )


def test_what_no_other_try_can_mend_is_no_outage(engine: Engine) -> None:
    with pytest.raises(OperationalError), transaction(engine) as connection:
        tell(connection, secrets.token_hex(5000))  # too large for the row of an index


def test_a_lock_held_for_too_long_is_refused_for_now(engine: Engine) -> None:
    def wait_in_vain() -> None:
        with transaction(engine) as connection:
            connection.execute(text("set local lock_timeout = '50ms'"))
            tell(connection, "held")

    with engine.connect() as holder:
        tell(holder, "held")
        with pytest.raises(RefusedForNowError):
            wait_in_vain()


def test_a_commit_refused_for_now_is_no_doubt(engine: Engine) -> None:
    """The server answered COMMIT with an error: nothing happened."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "create or replace function no_room() returns trigger language plpgsql as $$ begin"
                " raise exception 'No space left on device' using errcode = 'disk_full'; end $$"
            )
        )
        connection.execute(
            text(
                "create constraint trigger no_room after insert on alert"
                " deferrable initially deferred for each row execute function no_room()"
            )
        )
    with pytest.raises(RefusedForNowError), transaction(engine) as connection:
        tell(connection, "late")
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from alert")).scalar_one() == 0


def test_a_server_that_ends_the_connection_is_away(engine: Engine) -> None:
    def be_ended() -> None:
        with transaction(engine) as connection:
            own = connection.execute(text("select pg_backend_pid()")).scalar_one()
            with engine.connect() as other:
                other.execute(text("select pg_terminate_backend(:pid)"), {"pid": own})
            connection.execute(text("select 1"))

    with pytest.raises(UnavailableError) as lost:
        be_ended()
    assert not isinstance(lost.value, RefusedForNowError)
