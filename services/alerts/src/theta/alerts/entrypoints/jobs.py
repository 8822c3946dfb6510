"""The jobs of the queue `alerts`: the fast path of a delivery."""

from __future__ import annotations

from uuid import UUID

from theta.alerts.use_cases.deliver import DeliverAlerts
from theta.common.errors import RejectedError
from theta.common.redis.worker import Handler

QUEUE = "alerts"
DELIVER_JOB = "alerts.deliver"


def handlers(deliver: DeliverAlerts) -> dict[str, Handler]:
    """Return the handlers by job name."""

    def handle(subject_id: str) -> None:
        try:
            alert_id = UUID(subject_id)
        except ValueError:
            message = f"{DELIVER_JOB} needs an alert id, not {subject_id[:64]!r}."
            raise RejectedError("bad_job", message) from None
        deliver.one(alert_id)

    return {DELIVER_JOB: handle}
