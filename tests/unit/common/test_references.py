"""The generated pages say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from theta.common.config.environment import VARIABLES
from theta.common.config.reference import settings_markdown
from theta.common.telemetry.names import ATTRIBUTES, METRICS
from theta.common.telemetry.reference import telemetry_markdown

DOCS = Path(__file__).parents[3] / "docs"


def test_settings_page_is_current() -> None:
    assert (DOCS / "reference" / "settings.md").read_text() == settings_markdown(), (
        "run: python -m theta.common.config.reference > docs/reference/settings.md"
    )


def test_telemetry_page_is_current() -> None:
    assert (DOCS / "reference" / "telemetry.md").read_text() == telemetry_markdown(), (
        "run: python -m theta.common.telemetry.reference > docs/reference/telemetry.md"
    )


def test_architecture_names_the_same_variables() -> None:
    text = (DOCS / "architecture.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `THETA_")]
    named = {name for row in rows for name in re.findall(r"`(THETA_[A-Z_]+)`", row.split("|")[1])}
    assert named == set(VARIABLES)


def test_every_metric_attribute_is_registered_and_bounded() -> None:
    ids = {"run_id", "intent_id", "child_id", "order_ref", "symbol", "job_id", "subject_id"}
    for metric in METRICS.values():
        assert set(metric.attributes) <= set(ATTRIBUTES), metric.name
        assert not set(metric.attributes) & ids, metric.name
