"""What is unfinished, found by SQL on states, and asked for again through the outbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from theta.common.domain.orders import OrderState
from theta.common.postgres.engine import transaction
from theta.common.postgres.orders import move_intent

ACTOR = "sweeper"
BATCH = 500
FORGET_BATCH = 5000
WAIT_SECONDS_MAX = 60
ALERT_POSTS_MAX = 20
"""An alert that still has no delivery after so many tries has no channel: it stays on record."""

# Each query yields (account, queue, job_name, subject, traceparent) of unfinished work older than
# :age, judged by state alone: what Redis or the outbox hold does not matter.
_WORK = {
    "risk.review": """
        select account, 'risk' as queue, 'risk.review' as job_name, id::text as subject, traceparent
        from order_intent
        where state = 'proposed' and updated_at < clock_timestamp() - :age
    """,
    "orders.submit": """
        select account, 'orders.' || session, 'orders.submit', id::text, traceparent
        from order_intent
        where state = 'approved' and updated_at < clock_timestamp() - :age
    """,
    # A wish to cancel shows as a cancel command without acknowledgement, as an earlier request,
    # or as a halt whose scope covers the order.
    "orders.cancel": """
        select c.account, 'cancels.' || c.session, 'orders.cancel', c.id::text, i.traceparent
        from child_order c join order_intent i on i.id = c.intent_id
        where c.state in ('submitting', 'working', 'unknown')
          and (
            exists (select 1 from broker_command b
                    where b.child_id = c.id and b.kind = 'cancel' and b.acknowledged_at is null
                      and b.claimed_at < clock_timestamp() - :age)
            or exists (select 1 from outbox o
                       where o.job_name = 'orders.cancel' and o.subject_id = c.id::text
                         and o.voided_at is null and o.created_at < clock_timestamp() - :age)
            or exists (select 1 from trading_state t
                       where t.account = c.account and t.ended_at is null
                         and t.set_at < clock_timestamp() - :age
                         and (t.state = 'halted' and i.kind <> 'flatten'
                              or t.state = 'reducing' and i.effect = 'opening')
                         and (t.scope = 'account'
                              or t.scope = 'strategy' and t.scope_key = i.strategy
                              or t.scope = 'symbol' and t.scope_key = i.symbol))
          )
    """,
    "strategy.run": """
        select r.account, 'strategy', 'strategy.run', r.id::text, r.traceparent
        from strategy_run r
        where r.status in ('claimed', 'running')
          and coalesce(r.started_at, r.claimed_at) < clock_timestamp() - :age
          and not exists (select 1 from lease l
                          where l.name = 'run:' || r.account and l.expires_at > clock_timestamp())
    """,
    "alerts.deliver": """
        select a.account, 'alerts', 'alerts.deliver', a.id::text, null
        from alert a
        where a.raised_at < clock_timestamp() - :age
          and (
            exists (select 1 from alert_delivery d
                    where d.alert_id = a.id and d.state in ('pending', 'sending')
                      and d.next_attempt_at < clock_timestamp() - :age)
            or (not exists (select 1 from alert_delivery d where d.alert_id = a.id)
                and (select count(*) from outbox o
                     where o.job_name = 'alerts.deliver' and o.subject_id = a.id::text)
                    < :alert_posts_max)
          )
    """,
}
# A subject asked for lately is left alone: for :age at first, then twice as long each time.
_REPOST = """
    insert into outbox (account, queue, job_name, subject_id, traceparent)
    select w.account, w.queue, w.job_name, w.subject, w.traceparent
    from ({work}) as w (account, queue, job_name, subject, traceparent)
    left join lateral (
      select count(*) as posts, max(o.created_at) as newest from outbox o
      where o.job_name = w.job_name and o.subject_id = w.subject and o.voided_at is null
    ) as asked on true
    where asked.newest is null
       or asked.newest < clock_timestamp() - least(
            :age * power(2, least(asked.posts, 10) - 1), greatest(:age, :wait_max))
    limit :batch
"""
_EXPIRED = text(
    """
    select i.id from order_intent i
    where i.state in ('proposed', 'held', 'approved') and i.expires_market_at <= :market_at
      and not exists (select 1 from child_order c where c.intent_id = i.id)
    order by i.id limit :batch
    """
)


# An earlier request to cancel is a wish that holds while its child lives, and the requests to
# deliver an alert that no channel took are what bounds them.
_FORGET = text(
    """
    delete from outbox where id in (
      select o.id from outbox o
      where coalesce(o.enqueued_at, o.voided_at) < clock_timestamp() - :keep
        and not (o.job_name = 'orders.cancel' and exists (
              select 1 from child_order c where c.id::text = o.subject_id
                and c.state in ('submitting', 'working', 'unknown', 'needs_person')))
        and not (o.job_name = 'alerts.deliver' and not exists (
              select 1 from alert_delivery d where d.alert_id::text = o.subject_id))
      order by o.id limit :batch)
    """
)


class PostgresUnfinished:
    """`Unfinished` over every account of the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def expire_intents(self, market_at: datetime) -> int:
        with transaction(self._engine) as connection:
            ids = connection.execute(_EXPIRED, {"market_at": market_at, "batch": BATCH}).scalars()
            found = [UUID(str(one)) for one in ids]
        # One transaction each: an intent that the gateway is claiming holds up no other.
        return sum(self._expire(intent_id, market_at) for intent_id in found)

    def repost(self, age: timedelta) -> Mapping[str, int]:
        posted: Counter[str] = Counter()
        for job_name in _WORK:
            with transaction(self._engine) as connection:
                posted[job_name] = _repost(connection, job_name, age)
        return {name: count for name, count in posted.items() if count}

    def forget(self, keep: timedelta) -> int:
        with transaction(self._engine) as connection:
            return connection.execute(_FORGET, {"keep": keep, "batch": FORGET_BATCH}).rowcount

    def _expire(self, intent_id: UUID, market_at: datetime) -> bool:
        reason = f"its validity ended before {market_at.isoformat()} market time"
        with transaction(self._engine) as connection:
            return move_intent(
                connection, intent_id, OrderState.EXPIRED, reason=reason, actor=ACTOR
            )


def _repost(connection: Connection, job_name: str, age: timedelta) -> int:
    parameters = {
        "age": age,
        "wait_max": timedelta(seconds=WAIT_SECONDS_MAX),
        "batch": BATCH,
    }
    if job_name == "alerts.deliver":
        parameters["alert_posts_max"] = ALERT_POSTS_MAX
    return connection.execute(text(_REPOST.format(work=_WORK[job_name])), parameters).rowcount
