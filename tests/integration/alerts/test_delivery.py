"""Deliveries against a real PostgreSQL and a real HTTP server that behaves like Slack."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.integration.alerts.conftest import ACCOUNT, Desk
from theta.embedded.slack_sink import SinkAnswer


class CrashError(Exception):
    """What a fault point raises here instead of killing the process."""


class CrashAt:
    def __init__(self, name: str) -> None:
        self._name = name

    def reach(self, name: str) -> None:
        if name == self._name:
            raise CrashError(name)


def test_an_alert_reaches_slack_once_with_what_a_person_needs(desk: Desk) -> None:
    alert_id = desk.alert(title=f"SPY put is unknown in {ACCOUNT}")
    deliver = desk.deliver()
    assert deliver.one(alert_id) == 1
    assert deliver.one(alert_id) == 0
    assert deliver.due() == 0
    (post,) = desk.sink.posts
    text = str(post.body)
    assert post.title == "SPY put is unknown in …567"
    assert "critical" in text
    assert "SPY" in text
    assert "theta-abc" in text
    assert ACCOUNT not in text
    row = desk.delivery(alert_id)
    assert (row.state, row.channel, row.attempts) == ("delivered", "slack", 1)
    assert row.delivered_at is not None


def test_alerts_whose_jobs_were_lost_are_delivered_by_the_loop_alone(desk: Desk) -> None:
    deliver = desk.deliver()
    deliver.due()
    raised = [desk.alert() for _ in range(3)]
    assert deliver.due() == 3
    assert {desk.delivery(alert_id).state for alert_id in raised} == {"delivered"}


def test_the_critical_goes_first(desk: Desk) -> None:
    for severity in ("info", "warning", "critical"):
        desk.alert(severity, title=severity)
    desk.deliver().due()
    assert [post.title for post in desk.sink.posts] == ["critical", "warning", "info"]


@pytest.mark.parametrize(
    "trouble",
    [
        SinkAnswer(status=500),
        SinkAnswer(status=503),
        SinkAnswer(trouble="cut"),
        SinkAnswer(trouble="hang"),
    ],
    ids=["500", "503", "cut", "hang"],
)
def test_a_failure_that_may_pass_is_tried_again_later(desk: Desk, trouble: SinkAnswer) -> None:
    desk.sink.answer_next(trouble)
    alert_id = desk.alert()
    deliver = desk.deliver()
    assert deliver.one(alert_id) == 1
    row = desk.delivery(alert_id)
    assert (row.state, row.attempts) == ("pending", 1)
    assert row.last_error
    assert 0 < desk.wait_of(alert_id) <= 1
    desk.make_due()
    assert deliver.due() == 1
    assert desk.delivery(alert_id).state == "delivered"
    assert len(desk.sink.delivered) == 1


def test_a_throttled_channel_is_left_alone_for_as_long_as_it_asked(desk: Desk) -> None:
    desk.sink.answer_next(SinkAnswer(status=429, retry_after_seconds=40))
    alert_id = desk.alert()
    deliver = desk.deliver()
    deliver.one(alert_id)
    assert desk.delivery(alert_id).state == "pending"
    assert 30 < desk.wait_of(alert_id) <= 40
    assert deliver.due() == 0


def test_a_refused_message_is_dead_at_once(desk: Desk) -> None:
    desk.sink.answer_next(SinkAnswer(status=403))
    alert_id = desk.alert()
    desk.deliver().one(alert_id)
    desk.make_due()
    assert desk.deliver().due() == 0
    assert desk.delivery(alert_id).state == "dead"


def test_the_tenth_failure_is_the_last(desk: Desk) -> None:
    desk.sink.answer_next(*[SinkAnswer(status=500)] * 11)
    alert_id = desk.alert()
    deliver = desk.deliver()
    deliver.one(alert_id)
    for _ in range(12):
        desk.make_due()
        deliver.due()
    assert (desk.delivery(alert_id).state, len(desk.sink.posts)) == ("dead", 10)


@pytest.mark.parametrize("point", ["alerts.deliver.before_send", "alerts.deliver.after_send"])
def test_a_delivery_whose_process_died_while_sending_is_sent_again(desk: Desk, point: str) -> None:
    alert_id = desk.alert()
    with pytest.raises(CrashError):
        desk.deliver(faults=CrashAt(point)).one(alert_id)
    assert desk.delivery(alert_id).state == "sending"
    survivor = desk.deliver()
    assert survivor.due() == 0, "it is another's for 30 s"
    desk.make_due()
    assert survivor.due() == 1
    assert desk.delivery(alert_id).state == "delivered"
    assert len(desk.sink.delivered) >= 1


def test_a_sender_that_was_taken_over_does_not_overwrite_its_successor(desk: Desk) -> None:
    alert_id = desk.alert()

    class TakeOver:
        def reach(self, name: str) -> None:
            if name == "alerts.deliver.after_send":
                desk.make_due()
                assert desk.deliver().due() == 1

    desk.sink.answer_next(SinkAnswer(status=500))
    desk.deliver(faults=TakeOver()).one(alert_id)
    row = desk.delivery(alert_id)
    assert (row.state, row.attempts, row.last_error) == ("delivered", 2, None)


def test_many_senders_share_the_work_and_repeat_none_of_it(desk: Desk) -> None:
    for number in range(20):
        desk.alert(title=f"number {number}")
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: desk.deliver().due(), range(4)))
    assert sum(done) == 20
    assert len({post.title for post in desk.sink.posts}) == len(desk.sink.posts) == 20


def test_without_a_channel_the_record_says_that_nobody_was_reached(desk: Desk) -> None:
    alert_id = desk.alert()
    desk.without_channel().due()
    row = desk.delivery(alert_id)
    assert (row.channel, row.state) == ("log", "delivered")
    assert desk.sink.posts == []


def test_an_alert_that_does_not_exist_is_nothing_to_do(desk: Desk) -> None:
    assert desk.deliver().one(uuid4()) == 0


def test_no_table_ever_holds_the_webhook(desk: Desk) -> None:
    secret = desk.sink.url.rsplit("/", 1)[-1]
    desk.sink.answer_next(SinkAnswer(status=500), SinkAnswer(trouble="cut"), SinkAnswer(status=404))
    alert_id = desk.alert()
    deliver = desk.deliver()
    deliver.one(alert_id)
    errors = []
    for _ in range(3):
        errors.append(str(desk.delivery(alert_id).last_error))
        desk.make_due()
        deliver.due()
    desk.sink.stop()
    other = desk.alert()
    deliver.one(other)
    errors.append(str(desk.delivery(other).last_error))
    for table in ("alert", "alert_delivery", "outbox", "heartbeat", "journal"):
        errors += [str(row) for row in desk.rows(f"select * from {table}")]
    assert not [line for line in errors if secret in line or "127.0.0.1" in line]
    assert len(errors) > 4


def test_a_silent_service_is_told_once_for_each_episode(desk: Desk) -> None:
    beat = (
        "insert into heartbeat (service, instance, account, beat_at, detail) values"
        " ('{0}', '{1}', '*', clock_timestamp() - interval '{2} seconds', '{{}}')"
        " on conflict (service, instance) do update set beat_at = excluded.beat_at"
    )
    desk.write(beat.format("risk", "a", 40))
    desk.write(beat.format("strategy", "old", 4000))
    desk.write(beat.format("strategy", "new", 1))
    silences = desk.silences()
    assert silences.raise_for(30) == 1
    assert silences.raise_for(30) == 0
    (told,) = desk.rows("select severity, kind, context->>'service' from alert")
    assert tuple(told) == ("critical", "service.silent", "risk")
    desk.write(beat.format("risk", "b", 0))
    assert silences.raise_for(30) == 0
    desk.write("update heartbeat set beat_at = clock_timestamp() - interval '31 seconds'")
    assert silences.raise_for(30) == 2
