"""What the strategy service reads from the environment."""

from __future__ import annotations

from pydantic import Field, SecretStr

from theta.common.config.environment import ServiceSettings


class StrategySettings(ServiceSettings):
    """Settings of `python -m theta.strategy`, worker and schedule alike."""

    sweep_interval_seconds: float = Field(default=5, gt=0, le=3600)
    sweep_age_seconds: float = Field(default=10, gt=0, le=3600)
    outbox_keep_days: float = Field(default=7, ge=1, le=3650)


class WorkerSettings(StrategySettings):
    """The worker also asks the gateway, with a token."""

    api_token: SecretStr
