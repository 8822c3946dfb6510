"""Settings from the environment: `THETA_*`, or `THETA_*_FILE` naming a file with the value.

Every service subclasses `ServiceSettings` in its `settings.py` with the fields it needs, named as
the variables without their prefix, and calls `load_settings(Settings, os.environ)`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from theta.common.errors import ConfigError
from theta.common.telemetry.redaction import register_secret

PREFIX: Final = "THETA_"
FILE_SUFFIX: Final = "_FILE"
_FILE_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable."""

    name: str
    meaning: str
    default: str | None
    """As text; `None` when there is none."""
    required_by: str = ""
    """Who cannot start without it; empty when it may be left out."""
    secret: bool = False


def _registry(*variables: Variable) -> Mapping[str, Variable]:
    return MappingProxyType({variable.name: variable for variable in variables})


VARIABLES: Final = _registry(
    Variable(
        name="THETA_DATABASE_URL",
        meaning="PostgreSQL, with the role of this service",
        default=None,
        required_by="every service",
        secret=True,
    ),
    Variable(
        name="THETA_REDIS_URL",
        meaning="Redis",
        default=None,
        required_by="every service",
        secret=True,
    ),
    Variable(
        name="THETA_CONFIG", meaning="path of `thetagang.toml`", default="config/thetagang.toml"
    ),
    Variable(name="THETA_SESSION", meaning="name of the broker session", default="main"),
    Variable(
        name="THETA_INSTALLATION",
        meaning="prefix of every `order_ref`, 2–12 of `[a-z0-9]`",
        default="theta",
    ),
    Variable(
        name="THETA_TWS_HOST",
        meaning="host of the IB Gateway or simulator",
        default="127.0.0.1",
    ),
    Variable(name="THETA_TWS_PORT", meaning="port of the IB Gateway or simulator", default="4002"),
    Variable(name="THETA_TWS_CLIENT_ID", meaning="API client id", default="17"),
    Variable(
        name="THETA_TWS_CLIENT",
        meaning="TWS client library of broker-gateway: `ib_insync` or `ib_async`",
        default="ib_insync",
    ),
    Variable(
        name="THETA_HTTP_HOST", meaning="where broker-gateway's API listens", default="127.0.0.1"
    ),
    Variable(name="THETA_HTTP_PORT", meaning="port of broker-gateway's API", default="8080"),
    Variable(
        name="THETA_GATEWAY_URL",
        meaning="where the others find that API",
        default="http://127.0.0.1:8080",
    ),
    Variable(
        name="THETA_API_TOKEN",
        meaning="bearer token of this service or person",
        default=None,
        required_by="strategy and thetactl",
        secret=True,
    ),
    Variable(name="THETA_SPOOL_DIR", meaning="broker-gateway's fsynced spool", default="var/spool"),
    Variable(
        name="THETA_HALT_FLAG_FILE", meaning="its existence halts trading", default="var/HALT"
    ),
    Variable(
        name="THETA_METRICS_PORT",
        meaning="Prometheus port of a worker (0 = off; broker-gateway's API serves `/metrics`)",
        default="0",
    ),
    Variable(
        name="THETA_LOG_LEVEL",
        meaning="least level of the JSON log lines on stdout",
        default="INFO",
    ),
    Variable(name="THETA_LOG_FILE", meaning="also log to this file", default=None),
    Variable(name="THETA_TRACE_FILE", meaning="spans as JSON lines into this file", default=None),
    Variable(
        name="THETA_OTLP_ENDPOINT",
        meaning="spans pushed to this OTLP/HTTP address",
        default=None,
    ),
    Variable(
        name="THETA_SLACK_WEBHOOK_URL",
        meaning="Slack incoming webhook; without it alerts say so",
        default=None,
        secret=True,
    ),
    Variable(
        name="THETA_ALERT_TAKEOVER_SECONDS",
        meaning="a delivery under way for longer lost its process and is sent again",
        default="30",
    ),
    Variable(
        name="THETA_RESOLVE_INTERVAL_SECONDS",
        meaning="gap between the two absence rounds (order-protocol §6)",
        default="10",
    ),
    Variable(
        name="THETA_ACKNOWLEDGE_WITHIN_SECONDS",
        meaning="no perm_id and status after this: unknown",
        default="10",
    ),
    Variable(name="THETA_SWEEP_INTERVAL_SECONDS", meaning="period of the sweeper", default="5"),
    Variable(
        name="THETA_SWEEP_AGE_SECONDS",
        meaning="how old unfinished work must be to be swept",
        default="10",
    ),
    Variable(
        name="THETA_OUTBOX_KEEP_DAYS",
        meaning="days after which the sweeper removes what the outbox delivered",
        default="7",
    ),
    Variable(
        name="THETA_FAULT_FILE",
        meaning="armed fault points, proof harness only; refused on a live account",
        default=None,
    ),
)


class CommonSettings(BaseSettings):
    """What every process reads. Frozen; its only source is the mapping given to `load_settings`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True
    )

    config: Path = Path("config/thetagang.toml")
    session: str = Field(default="main", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    installation: str = Field(default="theta", pattern=r"^[a-z0-9]{2,12}$")
    gateway_url: str = "http://127.0.0.1:8080"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """0 is off."""
    log_level: str = "INFO"
    log_file: Path | None = None
    trace_file: Path | None = None
    otlp_endpoint: str | None = None
    fault_file: Path | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from `load_settings` alone, so that a test's dict is all there is."""
        return (init_settings,)


class ServiceSettings(CommonSettings):
    """What every service reads besides: the truth and the wire."""

    database_url: SecretStr
    """PostgreSQL URL with the role of this service."""
    redis_url: SecretStr


_Settings = TypeVar("_Settings", bound=CommonSettings)


def load_settings(cls: type[_Settings], environ: Mapping[str, str]) -> _Settings:
    """Build `cls` from `environ` (nothing else is read, except files that a `_FILE` form names).

    Known variables that `cls` has no field for are ignored; an empty value counts as not set.
    Secrets are registered for redaction.

    Raises:
        ConfigError: an unknown `THETA_*` name, a missing or unusable value, an unreadable file.
    """
    values = _read(environ)
    fields = {PREFIX + name.upper(): name for name in cls.model_fields}
    given: dict[str, Any] = {
        fields[variable]: text for variable, text in values.items() if variable in fields
    }
    try:
        settings = cls(**given)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None
    for name in cls.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            register_secret(value.get_secret_value())
    return settings


def _read(environ: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        if name in VARIABLES:
            if text.strip():
                values[name] = text
            continue
        plain = name.removesuffix(FILE_SUFFIX)
        if plain not in VARIABLES:
            raise ConfigError(_unknown(name))
        if not text.strip():
            continue
        if environ.get(plain, "").strip():
            message = f"{plain} and {name} are both set: keep one of them."
            raise ConfigError(message)
        values[plain] = _read_file(name, Path(text.strip()))
    return values


def _unknown(name: str) -> str:
    # `_FILE` names take part, so that a slip in one is answered by the whole right name.
    known = [*VARIABLES, *(variable + FILE_SUFFIX for variable in VARIABLES)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f"{name} is not a setting of this version: did you mean {near[0]}?"


def _read_file(name: str, path: Path) -> str:
    try:
        with path.open("rb") as handle:
            raw = handle.read(_FILE_BYTES_MAX + 1)
        text = raw.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = (
            f"{name} names {path}, which cannot be read ({reason}): mend the path or the file."
        )
        raise ConfigError(message) from None
    if len(raw) > _FILE_BYTES_MAX or not text:
        what = "is empty" if not text else "is too large for a setting"
        message = f"{name} names {path}, which {what}: put the bare value into it."
        raise ConfigError(message)
    return text


def _sentence(error: ValidationError) -> str:
    """Return the first fault as one sentence, without the value, which may be a secret."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = str(first["loc"][0]) if first["loc"] else "settings"
    name = PREFIX + field.upper()
    variable = VARIABLES.get(name)
    meaning = f" ({variable.meaning})" if variable else ""
    if first["type"] == "missing":
        return (
            f"{name}{meaning} is not set: set it, or {name}{FILE_SUFFIX} to a file that holds it."
        )
    return f"{name}{meaning} is wrong: {first['msg'][0].lower()}{first['msg'][1:]}."
