"""Slack by incoming webhook. The webhook's address is a secret: it appears nowhere else."""

from __future__ import annotations

import logging
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from theta.alerts.domain.delivery import Answer, GiveUp, HandedOver, TryLater
from theta.alerts.domain.message import Message

if TYPE_CHECKING:
    from slack_sdk.webhook import WebhookClient

TIMEOUT_SECONDS = 5
_MARKS = {"critical": ":rotating_light:", "warning": ":warning:", "info": ":information_source:"}

# slack_sdk logs addresses and bodies to the logger that it is given.
_silent = logging.Logger("theta.alerts.slack_sdk", level=logging.CRITICAL + 1)


class SlackChannel:
    """`Channel` on one webhook. `slack_sdk` is imported by the first message."""

    def __init__(self, webhook_url: str, *, timeout_seconds: int = TIMEOUT_SECONDS) -> None:
        self._url = webhook_url
        self._timeout_seconds = timeout_seconds
        self._client: WebhookClient | None = None

    @property
    def name(self) -> str:
        return "slack"

    def send(self, message: Message) -> Answer:
        """Post the message; every failure is an answer, none is raised."""
        from slack_sdk.errors import SlackClientError

        try:
            response = self._webhook().send(text=fallback(message), blocks=blocks(message))
        except (OSError, HTTPException) as error:
            return TryLater(error=f"Slack was not reached ({_name(error)})")
        except (SlackClientError, ValueError) as error:
            return GiveUp(error=f"the message could not be built ({type(error).__name__})")
        return _answer(response.status_code, dict(response.headers))

    def _webhook(self) -> WebhookClient:
        if self._client is None:
            from slack_sdk.webhook import WebhookClient

            self._client = WebhookClient(
                self._url, timeout=self._timeout_seconds, logger=_silent, retry_handlers=[]
            )
        return self._client


def _name(error: Exception) -> str:
    """Name an error without its text, which may hold the address."""
    reason = getattr(error, "reason", None)
    return type(reason if isinstance(reason, Exception) else error).__name__


def _answer(status: int, headers: dict[str, str]) -> Answer:
    if status == HTTPStatus.OK:
        return HandedOver()
    error = f"Slack answered {status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return TryLater(error=error, retry_after_seconds=_seconds(headers))
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return GiveUp(error=f"{error}: the webhook or the message is wrong")
    return TryLater(error=error)


def _seconds(headers: dict[str, str]) -> float | None:
    lowered = {name.lower(): value for name, value in headers.items()}
    text = lowered.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None


def fallback(message: Message) -> str:
    """Return the one-line text for notifications."""
    return _escape(f"[{message.severity}] {message.title}")


def blocks(message: Message) -> list[dict[str, Any]]:
    """Return the Block Kit form: header, text, and a line of facts."""
    mark = _MARKS.get(message.severity, "")
    facts = " · ".join(f"*{name}* {_escape(value)}" for name, value in message.facts)
    return [
        {"type": "header", "text": {"type": "plain_text", "text": message.title, "emoji": False}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": f"{mark} {_escape(message.text) or '(no text)'}"},
        },
        {"type": "context", "elements": [{"type": "mrkdwn", "text": facts}]},
    ]


def _escape(text: str) -> str:
    """Escape what Slack reads as markup of its own: no mention, no link from an alert's text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
