"""Settings of the alerts service."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from theta.common.config.environment import ServiceSettings

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Settings(ServiceSettings):
    """What every service reads, and the channels' secrets."""

    slack_webhook_url: SecretStr | None = None
    """https, or http to this machine. The whole address is a secret."""
    alert_takeover_seconds: float = Field(default=30, ge=1, le=600)
    """Shorter than a channel's slowest answer (Slack's timeout is 5 s), a message comes twice."""

    @field_validator("slack_webhook_url")
    @classmethod
    def _is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        parts = urlsplit(value.get_secret_value())
        plain_is_safe = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or plain_is_safe):
            message = "it must be an https:// address (http:// only to this machine)"
            raise ValueError(message)
        return value
