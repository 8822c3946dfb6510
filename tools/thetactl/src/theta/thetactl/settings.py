"""What the operator's command line reads from the environment."""

from __future__ import annotations

from pydantic import SecretStr

from theta.common.config.environment import CommonSettings


class Settings(CommonSettings):
    """`THETA_API_TOKEN` for what goes over HTTP; `THETA_DATABASE_URL` (role `theta_operator`) for
    the rest.
    """

    api_token: SecretStr | None = None
    database_url: SecretStr | None = None
