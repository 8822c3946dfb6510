"""What people read, and what follows an attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from theta.alerts.adapters.slack import blocks, fallback
from theta.alerts.bootstrap import channels_from
from theta.alerts.domain.delivery import (
    ATTEMPTS_MAX,
    GiveUp,
    HandedOver,
    TryLater,
    next_step,
)
from theta.alerts.domain.message import Alert, compose, mask_accounts
from theta.alerts.settings import Settings
from theta.common.config.environment import load_settings
from theta.common.config.thetagang import load_config
from theta.common.errors import ConfigError

ENVIRON = {"THETA_DATABASE_URL": "postgresql://a:b@h/d", "THETA_REDIS_URL": "redis://h"}

ALERT = Alert(
    id=UUID(int=1),
    account="DU1234567",
    severity="critical",
    kind="order.unknown",
    title="SPY 2026-09-18 760 P: submitting became unknown in DU1234567",
    message="no answer in account U7654321",
    context={"symbol": "SPY", "order_ref": "theta-abc", "internal": "not shown"},
    raised_at=datetime(2026, 8, 19, 15, 30, 5, tzinfo=UTC),
)


def test_a_message_says_what_where_and_when_and_hides_the_account() -> None:
    message = compose(ALERT)
    assert message.title == "SPY 2026-09-18 760 P: submitting became unknown in …567"
    assert message.text == "no answer in account …321"
    assert message.facts == (
        ("severity", "critical"),
        ("time", "2026-08-19 15:30:05 UTC"),
        ("account", "…567"),
        ("symbol", "SPY"),
        ("order_ref", "theta-abc"),
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DU1234567", "…567"),
        ("U123456", "…456"),
        ("F7654321.", "…321."),
        ("DUH123456", "…456"),
        ("theta-abcdefg2345672345672", "theta-abcdefg2345672345672"),
        ("SPY 2026-09-18 760 P", "SPY 2026-09-18 760 P"),
        ("(acct-77)", "(…-77)"),
    ],
)
def test_account_numbers_are_cut_and_other_words_are_not(text: str, shown: str) -> None:
    assert mask_accounts(text, "acct-77") == shown


@given(title=st.text(max_size=400), text=st.text(max_size=6000))
def test_blocks_keep_slacks_limits_whatever_the_text(title: str, text: str) -> None:
    message = compose(replace(ALERT, title=title, message=text))
    header, section, context = blocks(message)
    assert len(header["text"]["text"]) <= 150
    assert len(context["elements"]) == 1
    assert section["text"]["text"].strip()


def test_an_alerts_text_can_neither_mention_nor_link() -> None:
    message = compose(replace(ALERT, title="<!channel> & co", message="<https://evil|click>"))
    assert "<!channel>" not in fallback(message)
    assert "<https" not in blocks(message)[1]["text"]["text"]


def test_the_wait_doubles_up_to_five_minutes_and_ends() -> None:
    waits = [
        next_step(TryLater(error="x"), attempt).wait_seconds for attempt in range(1, ATTEMPTS_MAX)
    ]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert next_step(TryLater(error="x"), ATTEMPTS_MAX).state == "dead"


@given(attempts=st.integers(1, 9), asked=st.floats(0, 1e9))
def test_a_wait_is_never_shorter_than_asked_nor_without_bound(attempts: int, asked: float) -> None:
    step = next_step(TryLater(error="x", retry_after_seconds=asked), attempts)
    assert min(asked, 900) <= step.wait_seconds <= 900


def test_delivered_and_refused_are_final() -> None:
    assert next_step(HandedOver(), 1).state == "delivered"
    assert next_step(GiveUp(error="no"), 1).state == "dead"


@pytest.mark.parametrize(
    ("url", "names"), [("", ["log"]), ("https://hooks.slack.com/services/a/b/c", ["slack"])]
)
def test_without_a_webhook_the_log_is_the_channel(url: str, names: list[str]) -> None:
    settings = load_settings(Settings, ENVIRON | {"THETA_SLACK_WEBHOOK_URL": url})
    config = load_config(Path("config/thetagang.toml"))
    assert [channel.name for channel in channels_from(settings, config)] == names


@pytest.mark.parametrize("url", ["http://hooks.slack.com/x", "ftp://a/b", "hooks", "https:///x"])
def test_a_webhook_that_would_travel_in_clear_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_settings(Settings, ENVIRON | {"THETA_SLACK_WEBHOOK_URL": url})
    assert "THETA_SLACK_WEBHOOK_URL" in str(refusal.value)
    assert url not in str(refusal.value)


def test_settings_do_not_show_the_webhook() -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://a:b@h/d"),
        redis_url=SecretStr("redis://h"),
        slack_webhook_url=SecretStr("https://hooks.slack.com/services/a/b/c"),
    )
    assert "services/a/b/c" not in repr(settings)
