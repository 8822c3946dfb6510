"""Deliver alerts: each to every configured channel, at least once, with bounded retries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from theta.alerts.domain.delivery import LOG_CHANNEL, Answer, GiveUp, NextStep, next_step
from theta.alerts.domain.message import compose
from theta.alerts.ports import Channel, Claimed, Deliveries
from theta.common.ports import FaultPoints
from theta.common.telemetry import names
from theta.common.telemetry.logs import bind_ids, get_logger
from theta.common.telemetry.metrics import counter, histogram
from theta.common.telemetry.redaction import redact_text
from theta.common.telemetry.traces import span

LEASE_SECONDS = 30.0
"""A delivery that is `sending` for longer lost its process and is sent again."""

_log = get_logger(__name__)


def _never() -> bool:
    return False


class DeliverAlerts:
    """Creates, attempts and settles deliveries. May be shared by threads."""

    def __init__(
        self,
        *,
        deliveries: Deliveries,
        channels: Sequence[Channel],
        faults: FaultPoints,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """`channels` must not be empty: without a real one, give the log channel."""
        self._deliveries = deliveries
        self._channels = {channel.name: channel for channel in channels}
        self._faults = faults
        self._lease_seconds = lease_seconds

    def one(self, alert_id: UUID) -> int:
        """Deliver what is due of one alert now; return the number of attempts made."""
        self._deliveries.plan(tuple(self._channels), alert_id)
        return self._drain(alert_id, _never)

    def due(self, stopping: Callable[[], bool] = _never) -> int:
        """Deliver all that is due, alerts without deliveries included; return the attempts made.

        This alone delivers everything: jobs only make it sooner. Ends early once `stopping()`.
        """
        self._deliveries.plan(tuple(self._channels))
        return self._drain(None, stopping)

    def _drain(self, alert_id: UUID | None, stopping: Callable[[], bool]) -> int:
        attempts = 0
        while not stopping():
            claimed = self._deliveries.claim(self._lease_seconds, alert_id)
            if claimed is None:
                break
            attempts += 1
            with (
                bind_ids(alert_id=claimed.alert.id, account=claimed.alert.account),
                span(names.SPAN_ALERT_DELIVER, alert_id=str(claimed.alert.id)),
            ):
                self._attempt(claimed)
        return attempts

    def _attempt(self, claimed: Claimed) -> None:
        self._faults.reach("alerts.deliver.before_send")
        answer = self._send(claimed)
        self._faults.reach("alerts.deliver.after_send")
        step = next_step(answer, claimed.attempts)
        if step.error is not None:
            step = NextStep(
                state=step.state, error=redact_text(step.error), wait_seconds=step.wait_seconds
            )
        if self._deliveries.settle(claimed, step):
            _tell(claimed, step)

    def _send(self, claimed: Claimed) -> Answer:
        channel = self._channels.get(claimed.channel)
        if channel is None:
            return GiveUp(error=f"the channel {claimed.channel} is not configured any more")
        return channel.send(compose(claimed.alert))


def _tell(claimed: Claimed, step: NextStep) -> None:
    counter(names.ALERT_DELIVERIES).add(channel=claimed.channel, outcome=step.state)
    facts = {
        "channel": claimed.channel,
        "severity": claimed.alert.severity,
        "kind": claimed.alert.kind,
        "attempts": claimed.attempts,
    }
    if step.state == "delivered":
        histogram(names.ALERT_DELIVERY_SECONDS).record(claimed.age_seconds, channel=claimed.channel)
        if claimed.channel != LOG_CHANNEL:
            _log.info("alert delivered", **facts)
    elif step.state == "pending":
        _log.warning(
            "alert not delivered, it is tried again",
            error=step.error,
            wait_seconds=step.wait_seconds,
            **facts,
        )
    else:
        _log.critical("nobody could be reached: alert given up", error=step.error, **facts)
