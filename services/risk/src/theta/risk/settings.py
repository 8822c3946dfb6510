"""Settings of the risk service."""

from __future__ import annotations

from pydantic import SecretStr

from theta.common.config.environment import ServiceSettings


class Settings(ServiceSettings):
    """What every service reads, and the token for asking a fresh portfolio."""

    api_token: SecretStr | None = None
    """Bearer token of role viewer or above. Without it reviews use the snapshots as stored."""
