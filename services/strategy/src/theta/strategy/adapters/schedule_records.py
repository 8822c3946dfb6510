"""The schedule's slots in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from theta.common.ports import IdSource
from theta.common.postgres import journal, outbox
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.engine import transaction
from theta.common.postgres.tables import strategy_run
from theta.common.telemetry import names
from theta.common.telemetry.traces import current_traceparent, span

RUN_QUEUE = "strategy"
RUN_JOB = "strategy.run"
ACTOR = "schedule"


class PostgresSlots:
    """`SlotRecords`: one row per account and slot."""

    def __init__(self, engine: Engine, *, session: str, ids: IdSource) -> None:
        self._engine = engine
        self._session = session
        self._ids = ids

    def newest_slot(self, account: str) -> str | None:
        with transaction(self._engine) as connection:
            return connection.execute(
                select(func.max(strategy_run.c.slot)).where(
                    strategy_run.c.account == account, strategy_run.c.trigger == "schedule"
                )
            ).scalar_one_or_none()

    def claim(self, *, account: str, slot: str, market_at: datetime, missed: bool) -> UUID | None:
        with (
            span(names.SPAN_SCHEDULE_SLOT, kind="internal"),
            transaction(self._engine) as connection,
        ):
            traceparent = current_traceparent()
            run_id = connection.execute(
                insert(strategy_run)
                .values(
                    id=self._ids.uuid(),
                    account=account,
                    slot=slot,
                    trigger="schedule",
                    actor=ACTOR,
                    status="missed" if missed else "claimed",
                    error=f"the slot {slot} was over when the schedule saw it" if missed else None,
                    traceparent=traceparent,
                )
                .on_conflict_do_nothing(index_elements=["account", "slot"])
                .returning(strategy_run.c.id)
            ).scalar_one_or_none()
            if run_id is None:
                return None
            if missed:
                raise_alert(
                    connection,
                    account=account,
                    session=self._session,
                    severity="warning",
                    kind="run.missed",
                    title=f"The run of {slot} was missed",
                    message="No schedule was at work, or market time was unknown, at its time; "
                    "it is not made up for.",
                    context={"slot": slot, "run_id": str(run_id)},
                    source_key=f"run:{run_id}:missed",
                )
            else:
                outbox.post(
                    connection,
                    account=account,
                    queue=RUN_QUEUE,
                    job_name=RUN_JOB,
                    subject_id=run_id,
                    traceparent=traceparent,
                )
            journal.append(
                connection,
                account=account,
                actor=ACTOR,
                kind="run.missed" if missed else "run.claimed",
                subject=str(run_id),
                body={"slot": slot, "market_at": market_at.isoformat()},
            )
            return UUID(str(run_id))
