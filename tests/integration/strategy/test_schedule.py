"""Slots, relay and sweeper against a real database and Redis."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import text

from tests.integration.strategy.conftest import ACCOUNT, SESSION, House
from tests.support.eventually import eventually
from tests.support.wheel_market import NOW
from theta.common.adapters import NoFaults, RandomIds, SystemClock
from theta.common.errors import UnavailableError
from theta.common.market_calendar import EXCHANGE_ZONE, session_calendar
from theta.common.ports import MarketTime
from theta.common.postgres.engine import transaction
from theta.common.postgres.outbox import post
from theta.common.redis.connection import connect
from theta.strategy.adapters.leadership import PostgresLeadership
from theta.strategy.adapters.outbox import PostgresOutbox, PostgresWakeups
from theta.strategy.adapters.redis_queue import RedisQueue
from theta.strategy.adapters.schedule_records import PostgresSlots
from theta.strategy.adapters.unfinished import PostgresUnfinished
from theta.strategy.entrypoints.schedule import Schedule
from theta.strategy.ports import Job
from theta.strategy.use_cases.claim_slot import ClaimSlots
from theta.strategy.use_cases.relay_outbox import RelayOutbox
from theta.strategy.use_cases.sweep_unfinished import SweepUnfinished

pytestmark = pytest.mark.slow
"""Each waits for the schedule's own periods: `make e2e` runs them."""

AGE = timedelta(seconds=10)
Pair = tuple[PostgresLeadership, PostgresLeadership]
KEEP = timedelta(days=7)


class At:
    """A market clock that stands where it is put; `None` is never observed."""

    def __init__(self, at: datetime | None, age: float = 0) -> None:
        self.at = at
        self.age = age

    def market_time(self) -> MarketTime | None:
        if self.at is None:
            return None
        return MarketTime(at=self.at, observed_age_seconds=self.age)


def new_york(text_: str) -> datetime:
    return datetime.fromisoformat(text_).replace(tzinfo=EXCHANGE_ZONE).astimezone(UTC)


def slots(house: House, clock: At, *times: str) -> ClaimSlots:
    return ClaimSlots(
        records=PostgresSlots(house.strategy, session=SESSION, ids=RandomIds()),
        market_clock=clock,
        calendar=session_calendar("XNYS", first_year=2026, last_year=2026),
        zone=EXCHANGE_ZONE,
        account=ACCOUNT,
        times=tuple(time.fromisoformat(one) for one in times or ("10:30",)),
    )


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as connection:
        yield connection


def jobs(client: redis.Redis, queue: str) -> int:
    return int(client.llen(f"rq:queue:{queue}"))


def age_everything(house: House) -> None:
    for table, column in (
        ("order_intent", "updated_at"),
        ("outbox", "created_at"),
        ("alert", "raised_at"),
    ):
        house.write(f"alter table {table} disable trigger user")
        house.write(f"update {table} set {column} = {column} - interval '1 hour'")
        house.write(f"alter table {table} enable trigger user")


def test_a_slot_is_claimed_once_whoever_asks(house: House) -> None:
    clock = At(new_york("2026-08-20T10:31"))
    assert [slots(house, clock).claim() for _ in range(3)] == [1, 0, 0]
    run = house.rows("select slot, status, trigger from strategy_run")
    assert run == [("2026-08-20T10:30", "claimed", "schedule")]
    assert house.value("select count(*) from outbox where job_name = 'strategy.run'") == 1


def test_a_slot_seen_too_late_is_missed_with_an_alert(house: House) -> None:
    slots(house, At(new_york("2026-08-19T10:31"))).claim()
    slots(house, At(new_york("2026-08-20T12:00"))).claim()
    assert house.rows("select slot, status from strategy_run order by slot") == [
        ("2026-08-19T10:30", "claimed"),
        ("2026-08-20T10:30", "missed"),
    ]
    assert house.rows("select kind from alert") == [("run.missed",)]


def test_a_new_installation_has_missed_nothing(house: House) -> None:
    assert slots(house, At(new_york("2026-08-20T12:00"))).claim() == 0
    assert house.rows("select slot from strategy_run") == []


@pytest.mark.parametrize(
    "at", ["2026-08-22T10:31", "2026-09-07T10:31", "2026-11-27T15:01"], ids=str
)
def test_no_slot_outside_a_session(house: House, at: str) -> None:
    # A Saturday, Labor Day, and an afternoon after the early close of Thanksgiving Friday.
    assert slots(house, At(new_york(at)), at[-5:]).claim() == 0


@pytest.mark.parametrize("clock", [At(None), At(NOW, age=6)], ids=["never seen", "stale"])
def test_without_market_time_no_slot_is_claimed(house: House, clock: At) -> None:
    assert slots(house, clock, "11:00").claim() == 0


def test_the_relay_enqueues_each_row_once_with_its_trace(house: House, client: redis.Redis) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with transaction(house.owner) as connection:
        post(
            connection,
            account=ACCOUNT,
            queue="risk",
            job_name="risk.review",
            subject_id=uuid4(),
            traceparent=trace,
        )
    relay = RelayOutbox(
        outbox=PostgresOutbox(house.strategy), queue=RedisQueue(client), faults=NoFaults()
    )
    assert [relay.relay(), relay.relay()] == [1, 0]
    assert jobs(client, "risk") == 1
    (key,) = client.scan_iter("rq:job:*")
    assert trace in str(client.hget(key, "meta"))


def test_what_redis_took_before_it_went_away_is_closed_and_the_rest_stays(house: House) -> None:
    with transaction(house.owner) as connection:
        for _ in range(3):
            post(
                connection,
                account=ACCOUNT,
                queue="risk",
                job_name="risk.review",
                subject_id=uuid4(),
            )
    taken: list[Job] = []

    def put(job: Job) -> None:
        if taken:
            raise UnavailableError("Redis is away")
        taken.append(job)

    with pytest.raises(UnavailableError):
        PostgresOutbox(house.strategy).relay(put, limit=100)
    assert house.value("select count(*) from outbox where enqueued_at is null") == 2


def sweeper(house: House, clock: At | None = None) -> SweepUnfinished:
    return SweepUnfinished(
        unfinished=PostgresUnfinished(house.strategy),
        market_clock=clock or At(NOW),
        age=AGE,
        keep=KEEP,
    )


def test_proposed_intents_are_asked_for_again_and_not_piled_up(house: House) -> None:
    house.run_strategy().run(house.claim_run())
    assert sweeper(house).sweep() == 0
    age_everything(house)
    assert sweeper(house).sweep() == 3
    assert sweeper(house).sweep() == 0
    assert house.value("select count(*) from outbox where job_name = 'risk.review'") == 6


def test_approved_intents_go_to_the_queue_of_their_session(house: House) -> None:
    house.run_strategy().run(house.claim_run())
    house.write("update order_intent set state = 'approved'")
    age_everything(house)
    sweeper(house).sweep()
    found = house.rows(
        "select queue, count(*) from outbox where job_name = 'orders.submit' group by 1"
    )
    assert found == [("orders.main", 3)]


def test_intents_expire_by_market_time_and_only_then(house: House) -> None:
    house.run_strategy().run(house.claim_run())
    sweeper(house, At(NOW + timedelta(minutes=29))).sweep()
    assert house.value("select count(*) from order_intent where state = 'expired'") == 0
    late = NOW + timedelta(minutes=31)
    sweeper(house, At(late, age=60)).sweep()
    assert house.value("select count(*) from order_intent where state = 'expired'") == 0
    sweeper(house, At(late)).sweep()
    assert house.value("select count(*) from order_intent where state = 'expired'") == 3


def live_child(house: House) -> UUID:
    house.run_strategy().run(house.claim_run())
    child = uuid4()
    house.write("update order_intent set state = 'approved' where symbol = 'SPY'")
    house.write(
        "insert into child_order (id, account, session, intent_id, sequence, order_ref, state,"
        " quantity) select :child, account, session, id, 1, 'theta-a', 'approved', quantity"
        " from order_intent where symbol = 'SPY'",
        child=child,
    )
    house.write("update child_order set state = 'submitting'")
    house.write("update order_intent set state = 'submitting' where symbol = 'SPY'")
    return child


def test_a_cancel_that_was_asked_for_is_asked_again_while_the_child_lives(house: House) -> None:
    child = live_child(house)
    with transaction(house.owner) as connection:
        post(
            connection,
            account=ACCOUNT,
            queue="cancels.main",
            job_name="orders.cancel",
            subject_id=child,
        )
    age_everything(house)
    sweeper(house).sweep()
    cancels = "select queue from outbox where job_name = 'orders.cancel' order by id"
    assert house.rows(cancels) == [("cancels.main",)] * 2
    house.write("update child_order set state = 'cancelled'")
    age_everything(house)
    sweeper(house).sweep()
    assert len(house.rows(cancels)) == 2


def test_a_living_child_that_nobody_cancelled_is_left_alone(house: House) -> None:
    live_child(house)
    age_everything(house)
    sweeper(house).sweep()
    assert house.value("select count(*) from outbox where job_name = 'orders.cancel'") == 0


@pytest.mark.parametrize("status", ["claimed", "running"])
def test_a_run_without_end_is_asked_for_again(house: House, status: str) -> None:
    run_id = house.claim_run()
    house.write(
        "update strategy_run set status = :s, claimed_at = clock_timestamp() - interval '1 min',"
        " started_at = clock_timestamp() - interval '1 min'",
        s=status,
    )
    sweeper(house).sweep()
    assert house.rows("select queue, job_name, subject_id from outbox") == [
        ("strategy", "strategy.run", str(run_id))
    ]


def test_an_alert_without_delivery_is_asked_for_again_a_bounded_number_of_times(
    house: House,
) -> None:
    house.write(
        "insert into alert (id, account, severity, kind, fingerprint, title, message, context,"
        " source_key) values (:id, 'a', 'info', 'k', 'f', 't', 'm', '{}', 's')",
        id=uuid4(),
    )
    for _ in range(25):
        age_everything(house)
        sweeper(house).sweep()
    assert house.value("select count(*) from outbox where job_name = 'alerts.deliver'") == 20


def asked(house: House, job_name: str, subject_id: object, *, delivered: bool = True) -> None:
    """Leave a request of eight days ago."""
    with transaction(house.owner) as connection:
        row = post(connection, account=ACCOUNT, queue="q", job_name=job_name, subject_id=subject_id)
    house.write(
        "update outbox set created_at = created_at - interval '8 days' where id = :i", i=row
    )
    if delivered:
        house.write("update outbox set enqueued_at = created_at where id = :i", i=row)


def subjects(house: House) -> set[str]:
    return {str(one) for (one,) in house.rows("select subject_id from outbox")}


def test_what_was_delivered_long_ago_is_removed_and_the_journal_is_not(house: House) -> None:
    house.run_strategy().run(house.claim_run())
    house.write("update outbox set enqueued_at = clock_timestamp()")
    entries = house.value("select count(*) from journal")
    asked(house, "risk.review", "delivered")
    asked(house, "risk.review", "waiting", delivered=False)
    assert sweeper(house).forget() == 1
    assert "delivered" not in subjects(house)
    assert "waiting" in subjects(house)
    assert len(subjects(house)) == 4, "what was delivered today stays"
    assert house.value("select count(*) from journal") == entries


def test_a_wish_to_cancel_is_kept_while_its_child_lives(house: House) -> None:
    child = live_child(house)
    asked(house, "orders.cancel", child)
    assert sweeper(house).forget() == 0
    sweeper(house).sweep()
    assert house.value("select count(*) from outbox where job_name = 'orders.cancel'") == 2
    house.write("update child_order set state = 'cancelled'")
    assert sweeper(house).forget() == 1


def test_forgetting_never_makes_the_sweeper_ask_anew_for_an_alert_without_channel(
    house: House,
) -> None:
    alert = uuid4()
    house.write(
        "insert into alert (id, account, severity, kind, fingerprint, title, message, context,"
        " source_key) values (:id, 'a', 'info', 'k', 'f', 't', 'm', '{}', 's')",
        id=alert,
    )
    asked(house, "alerts.deliver", alert)
    assert sweeper(house).forget() == 0
    house.write(
        "insert into alert_delivery (id, account, alert_id, channel, state)"
        " values (:id, 'a', :alert, 'log', 'delivered')",
        id=uuid4(),
        alert=alert,
    )
    assert sweeper(house).forget() == 1


@pytest.fixture
def pair(house: House) -> Iterator[Pair]:
    both = (
        PostgresLeadership(house.strategy, holder="a"),
        PostgresLeadership(house.strategy, holder="b"),
    )
    yield both
    for one in both:
        with contextlib.suppress(UnavailableError):
            one.release()


def test_one_leader_at_a_time(pair: Pair) -> None:
    first, second = pair
    assert (first.hold(), second.hold(), first.hold()) == (True, False, True)
    first.release()
    assert (second.hold(), first.hold()) == (True, False)


def test_a_leader_whose_process_ended_is_succeeded_at_once(house: House, pair: Pair) -> None:
    first, second = pair
    assert (first.hold(), second.hold()) == (True, False)
    # What PostgreSQL sees of a killed process: its connections end, its lease stands.
    end_connections(house)
    assert eventually(lambda: leads(second))
    assert (leads(first), leads(second)) == (False, True)


def test_a_leader_that_lost_its_connection_leads_on_with_a_new_epoch(
    house: House, pair: Pair
) -> None:
    leader, _ = pair
    assert leader.hold()
    end_connections(house)
    assert eventually(lambda: leads(leader))
    assert house.value("select epoch from lease where name = 'schedule'") == 2


def test_a_leader_that_stands_still_is_waited_for_until_its_lease_ends(
    house: House, pair: Pair
) -> None:
    first, second = pair
    assert (first.hold(), second.hold()) == (True, False)
    house.write("update lease set expires_at = clock_timestamp() where name = 'schedule'")
    assert (second.hold(), first.hold(), second.hold()) == (True, False, True)


def leads(one: PostgresLeadership) -> bool:
    """Take or renew; the first call after its connection ended may say so."""
    try:
        return one.hold()
    except UnavailableError:
        return False


def end_connections(house: House) -> None:
    with transaction(house.owner) as connection:
        connection.execute(
            text(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where usename = 'theta_strategy'"
            )
        )


def test_the_schedule_relays_what_commits_and_survives_a_flush(
    house: House, client: redis.Redis
) -> None:
    """Losing everything in Redis loses no intent: the sweeper finds it by its state."""
    wakeups = PostgresWakeups(house.database.url_for("theta_strategy"))
    clock = At(NOW)
    schedule = Schedule(
        leadership=PostgresLeadership(house.strategy, holder="a"),
        claim_slots=slots(house, clock, "11:00"),
        relay=RelayOutbox(
            outbox=PostgresOutbox(house.strategy), queue=RedisQueue(client), faults=NoFaults()
        ),
        sweep=SweepUnfinished(
            unfinished=PostgresUnfinished(house.strategy),
            market_clock=clock,
            age=timedelta(milliseconds=50),
            keep=KEEP,
        ),
        wakeups=wakeups,
        clock=SystemClock(),
        sweep_interval_seconds=0.1,
    )
    stop = threading.Event()
    thread = threading.Thread(target=schedule.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: jobs(client, "strategy") >= 1)
        run_id = house.value("select id from strategy_run where slot = '2026-08-20T11:00'")
        house.run_strategy().run(run_id)
        eventually(lambda: jobs(client, "risk") >= 3)
        client.flushall()
        eventually(lambda: jobs(client, "risk") >= 3)
        # The database cuts every connection: the schedule finds its way back.
        end_connections(house)
        client.flushall()
        eventually(lambda: jobs(client, "risk") >= 1, timeout_seconds=10)
    finally:
        stop.set()
        thread.join(5)
        wakeups.close()
    assert not thread.is_alive()
    assert schedule.healthy
