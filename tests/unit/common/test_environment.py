"""Settings from a mapping."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from theta.common.config.environment import ServiceSettings, load_settings
from theta.common.errors import ConfigError
from theta.common.telemetry.redaction import REDACTED, redact_text

NEEDED = {
    "THETA_DATABASE_URL": "postgresql://risk:pw-of-risk@db/theta",
    "THETA_REDIS_URL": "redis://127.0.0.1:6379/0",
}


def test_defaults_and_given_values() -> None:
    settings = load_settings(ServiceSettings, {**NEEDED, "THETA_METRICS_PORT": "9100", "PATH": "x"})
    assert settings.metrics_port == 9100
    assert settings.config == Path("config/thetagang.toml")
    assert settings.log_file is None
    assert settings.database_url.get_secret_value() == NEEDED["THETA_DATABASE_URL"]


def test_the_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THETA_SESSION", "other")
    monkeypatch.setenv("SESSION", "other")
    assert load_settings(ServiceSettings, NEEDED).session == "main"


def test_file_form(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("redis://:from-a-file@h/0\n")
    environ = {**NEEDED, "THETA_REDIS_URL_FILE": str(secret)}
    del environ["THETA_REDIS_URL"]
    settings = load_settings(ServiceSettings, environ)
    assert settings.redis_url.get_secret_value() == "redis://:from-a-file@h/0"


def test_a_variable_whose_own_name_ends_in_file_is_a_path_not_a_file_form() -> None:
    environ = {**NEEDED, "THETA_LOG_FILE": "/var/log/risk.json", "THETA_HALT_FLAG_FILE": "/x"}
    assert load_settings(ServiceSettings, environ).log_file == Path("/var/log/risk.json")


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"THETA_REDS_URL": "x"}, "did you mean THETA_REDIS_URL?"),
        ({"THETA_REDIS_URLFILE": "x"}, "did you mean THETA_REDIS_URL_FILE?"),
        ({"THETA_REDIS_URL_FILE": "/x"}, "THETA_REDIS_URL and THETA_REDIS_URL_FILE are both set"),
        ({"THETA_API_TOKEN_FILE": "/nowhere/token"}, "/nowhere/token, which cannot be read"),
        ({"THETA_METRICS_PORT": "many"}, "THETA_METRICS_PORT"),
        ({"THETA_INSTALLATION": "UPPER"}, "THETA_INSTALLATION"),
        ({"THETA_DATABASE_URL": " "}, "THETA_DATABASE_URL (PostgreSQL"),
    ],
)
def test_refusals_are_one_sentence(extra: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings(ServiceSettings, {**NEEDED, **extra})
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "token"
    empty.write_text(" \n")
    with pytest.raises(ConfigError, match="is empty"):
        load_settings(ServiceSettings, {**NEEDED, "THETA_API_TOKEN_FILE": str(empty)})


def test_settings_are_frozen_and_secrets_hidden() -> None:
    settings = load_settings(ServiceSettings, NEEDED)
    with pytest.raises(ValidationError):
        settings.session = "other"  # type: ignore[misc]  # the point of the test
    assert "pw-of-risk" not in repr(settings)
    assert redact_text(f"cannot use {NEEDED['THETA_DATABASE_URL']}") == f"cannot use {REDACTED}"
