"""The channel of last resort: says in the log that nobody could be reached."""

from __future__ import annotations

from theta.alerts.domain.delivery import LOG_CHANNEL, Answer, HandedOver
from theta.alerts.domain.message import Message
from theta.common.telemetry.logs import get_logger

_log = get_logger(__name__)


class LogChannel:
    """`Channel` for an installation that configured none."""

    @property
    def name(self) -> str:
        return LOG_CHANNEL

    def send(self, message: Message) -> Answer:
        _log.error(
            "nobody could be reached: no alert channel is configured",
            title=message.title,
            text=message.text,
            facts=dict(message.facts),
        )
        return HandedOver()
