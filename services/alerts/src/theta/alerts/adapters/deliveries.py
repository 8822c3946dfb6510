"""Deliveries and silences in PostgreSQL. Time is the database's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from theta.alerts.domain.delivery import NextStep
from theta.alerts.domain.message import Alert
from theta.alerts.ports import Claimed
from theta.common.ports import IdSource
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.engine import transaction

COMMIT_LAG_SECONDS = 120
"""An alert is dated when it is written and seen at its commit, which may be this much later."""

_FIND_UNPLANNED = text(
    """
    select a.id, a.account from alert a
    where a.raised_at > :since
      and not exists (select 1 from alert_delivery d where d.alert_id = a.id)
    order by a.raised_at limit 1000
    """
)
_FIND_ONE = text(
    """
    select a.id, a.account from alert a
    where a.id = :alert_id
      and not exists (select 1 from alert_delivery d where d.alert_id = a.id)
    """
)
_PLAN = text(
    """
    insert into alert_delivery (id, account, alert_id, channel)
    values (:id, :account, :alert_id, :channel) on conflict (alert_id, channel) do nothing
    """
)
_CLAIM = """
    update alert_delivery d
    set state = 'sending', attempts = d.attempts + 1,
        next_attempt_at = clock_timestamp() + make_interval(secs => :lease)
    from alert a
    where a.id = d.alert_id and d.id = (
      select p.id from alert_delivery p join alert pa on pa.id = p.alert_id
      where p.state in ('pending', 'sending') and p.next_attempt_at <= clock_timestamp() {of_alert}
      order by case pa.severity when 'critical' then 0 when 'warning' then 1 else 2 end,
               p.next_attempt_at
      limit 1 for update of p skip locked)
    returning d.id, d.channel, d.attempts, a.id, a.account, a.severity, a.kind, a.title,
              a.message, a.context, a.raised_at,
              extract(epoch from clock_timestamp() - a.raised_at)
"""
_CLAIM_ANY = text(_CLAIM.format(of_alert=""))
_CLAIM_OF_ALERT = text(_CLAIM.format(of_alert="and p.alert_id = :alert_id"))
_SETTLE = text(
    """
    update alert_delivery
    set state = :state, last_error = :error,
        next_attempt_at = clock_timestamp() + make_interval(secs => :wait),
        delivered_at = case when :state = 'delivered' then clock_timestamp() end
    where id = :id and state = 'sending' and attempts = :attempts
    """
)
_SILENT = text(
    """
    select service, max(beat_at), extract(epoch from clock_timestamp() - max(beat_at))
    from heartbeat group by service
    having max(beat_at) < clock_timestamp() - make_interval(secs => :silent)
    order by service
    """
)


class PostgresDeliveries:
    """`Deliveries` on PostgreSQL; any number of processes may share the work."""

    def __init__(self, engine: Engine, ids: IdSource) -> None:
        self._engine = engine
        self._ids = ids
        # Everything raised before this time has its deliveries: found by earlier calls.
        self._since = datetime.min.replace(tzinfo=UTC)

    def plan(self, channels: Sequence[str], alert_id: UUID | None = None) -> int:
        with transaction(self._engine) as connection:
            now = connection.execute(text("select clock_timestamp()")).scalar_one()
            if alert_id is None:
                rows = connection.execute(_FIND_UNPLANNED, {"since": self._since}).all()
            else:
                rows = connection.execute(_FIND_ONE, {"alert_id": alert_id}).all()
            values = [
                {"id": self._ids.uuid(), "account": account, "alert_id": found, "channel": channel}
                for found, account in rows
                for channel in channels
            ]
            made = sum(connection.execute(_PLAN, one).rowcount for one in values)
        if alert_id is None and not rows:
            self._since = now - timedelta(seconds=COMMIT_LAG_SECONDS)
        return made

    def claim(self, lease_seconds: float, alert_id: UUID | None = None) -> Claimed | None:
        statement = _CLAIM_ANY if alert_id is None else _CLAIM_OF_ALERT
        parameters: dict[str, Any] = {"lease": lease_seconds}
        if alert_id is not None:
            parameters["alert_id"] = alert_id
        with transaction(self._engine) as connection:
            row = connection.execute(statement, parameters).one_or_none()
        if row is None:
            return None
        alert = Alert(
            id=row[3],
            account=row[4],
            severity=row[5],
            kind=row[6],
            title=row[7],
            message=row[8],
            context=row[9] or {},
            raised_at=row[10],
        )
        return Claimed(
            delivery_id=row[0],
            channel=row[1],
            attempts=row[2],
            alert=alert,
            age_seconds=float(row[11]),
        )

    def settle(self, claimed: Claimed, step: NextStep) -> bool:
        parameters = {
            "id": claimed.delivery_id,
            "attempts": claimed.attempts,
            "state": step.state,
            "error": step.error,
            "wait": step.wait_seconds,
        }
        with transaction(self._engine) as connection:
            return connection.execute(_SETTLE, parameters).rowcount == 1


class PostgresSilences:
    """`Silences` on the heartbeat table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def raise_for(self, silent_seconds: float) -> int:
        raised = 0
        with transaction(self._engine) as connection:
            for service, last, age in connection.execute(_SILENT, {"silent": silent_seconds}).all():
                alert_id = raise_alert(
                    connection,
                    account="*",
                    session=None,
                    severity="critical",
                    kind="service.silent",
                    title=f"{service} is silent",
                    message=(
                        f"{service} gave no sign of life for {float(age):.0f} s: it is down, stuck "
                        "or cut off from the database. Restart it and read its log."
                    ),
                    context={"service": service, "last_beat_at": last.isoformat()},
                    # The last beat stays the same while the silence lasts: one alert an episode.
                    source_key=f"silence:{service}:{last.isoformat()}",
                )
                raised += alert_id is not None
        return raised
