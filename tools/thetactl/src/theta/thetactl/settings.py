"""What the operator's command line reads from the environment, and from `.env` where it is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from theta.common.config.environment import FILE_SUFFIX, PREFIX, CommonSettings
from theta.common.errors import ConfigError

ENV_FILE = Path(".env")
"""What honcho gives the services of the Procfile."""
DATABASE_NAMES = ("THETA_DATABASE_URL", "THETA_DATABASE_URL_FILE")
OPERATOR_DATABASE = "OPERATOR_DATABASE_URL"


class Settings(CommonSettings):
    """`THETA_API_TOKEN` for what goes over HTTP; `THETA_DATABASE_URL` (role `theta_operator`) for
    the rest.
    """

    api_token: SecretStr | None = None
    database_url: SecretStr | None = None


def with_env_file(environ: Mapping[str, str], path: Path) -> dict[str, str]:
    """Return `environ` with the `THETA_*` settings of `path` that it does not set itself.

    Where neither names a database, `OPERATOR_DATABASE_URL` does. An absent file adds nothing.
    Raises ConfigError when the file is there and cannot be read.
    """
    found: dict[str, str] = {}
    if path.is_file():
        try:
            given = dotenv_values(path, interpolate=False)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} cannot be read ({error}): mend its rights or content."
            ) from None
        for name, value in given.items():
            plain = name.removesuffix(FILE_SUFFIX)
            if value and not {plain, plain + FILE_SUFFIX} & environ.keys():
                found[name] = value
    merged = {name: value for name, value in found.items() if name.startswith(PREFIX)} | dict(
        environ
    )
    operator = environ.get(OPERATOR_DATABASE) or found.get(OPERATOR_DATABASE)
    if operator and not any(merged.get(name) for name in DATABASE_NAMES):
        merged["THETA_DATABASE_URL"] = operator
    return merged
