"""Logs, spans and metrics."""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from theta.common.errors import ConfigError, InvariantError
from theta.common.telemetry import names
from theta.common.telemetry.logs import (
    DailyRotatingFileHandler,
    bind_ids,
    configure_logging,
    get_logger,
)
from theta.common.telemetry.metrics import (
    MetricsServer,
    configure_metrics,
    counter,
    gauge,
    histogram,
    metrics_text,
    serve_metrics,
)
from theta.common.telemetry.redaction import REDACTED, redact, redact_text, register_secret
from theta.common.telemetry.traces import (
    configure_tracing,
    continue_trace,
    current_trace_id,
    current_traceparent,
    shutdown_tracing,
    span,
)


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    path = tmp_path / "logs" / "risk.json"
    configure_logging("risk", "INFO", path)
    yield path
    for handler in list(root.handlers):
        if handler not in handlers:
            root.removeHandler(handler)
            if isinstance(handler, logging.FileHandler):
                handler.close()
    root.setLevel(level)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_own_and_foreign_lines_have_one_shape(log_file: Path) -> None:
    with bind_ids(intent_id="i-1", run_id=None):
        get_logger("theta.risk").info("intent approved", limit=3)
        logging.getLogger("alembic").warning("upgrade %s", "done")
    own, foreign = lines(log_file)
    assert list(own)[:5] == ["at", "level", "service", "module", "event"]
    assert own["service"] == "risk"
    assert own["module"] == "theta.risk"
    assert own["intent_id"] == foreign["intent_id"] == "i-1"
    assert own["limit"] == 3
    assert foreign["event"] == "upgrade done"
    assert "run_id" not in own
    at = str(own["at"])
    assert len(at) == len("2026-08-19T14:30:00.123Z")
    assert at.endswith("Z")


def test_lines_carry_the_trace(log_file: Path) -> None:
    with span(names.SPAN_RISK_REVIEW):
        get_logger("theta.risk").info("inside")
        assert lines(log_file)[0]["trace_id"] == current_trace_id()


def test_secrets_do_not_reach_the_log(log_file: Path) -> None:
    register_secret("s3cr3t-value")
    try:
        message = "cannot reach postgresql://u:pw99@h/d with s3cr3t-value"
        raise RuntimeError(message)
    except RuntimeError:
        get_logger("theta.risk").exception(
            "failed", slack_webhook_url="https://hooks/x", nested={"api_token": "abc"}
        )
    text = log_file.read_text()
    for secret in ("pw99", "s3cr3t-value", "https://hooks/x", "abc"):
        assert secret not in text
    assert REDACTED in text
    assert "RuntimeError" in text


def test_bind_ids_refuses_other_keys() -> None:
    with pytest.raises(ValueError, match="unknown log ids"), bind_ids(colour="red"):
        pass


def test_unknown_level_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="THETA_LOG_LEVEL"):
        configure_logging("risk", "LOUD")


def test_rotates_when_the_day_changes_or_the_file_is_full(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    handler = DailyRotatingFileHandler(path, max_bytes=200, kept=3)

    def record(created: float, text: str = "x") -> logging.LogRecord:
        made = logging.LogRecord("n", logging.INFO, "p", 1, text, None, None)
        made.created = created
        return made

    midnight = 20_000 * 86_400.0
    handler.emit(record(midnight - 2))
    handler.emit(record(midnight - 1))
    assert not path.with_name("x.log.1").exists()
    handler.emit(record(midnight + 1))
    assert path.with_name("x.log.1").read_text() == "x\nx\n"
    handler.emit(record(midnight + 2, "y" * 300))
    handler.close()
    assert path.with_name("x.log.2").exists()


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("redis://:pw@h:1/0", f"redis://:{REDACTED}@h:1/0"),
        ("postgresql+psycopg://u:p%40w@h/d", f"postgresql+psycopg://u:{REDACTED}@h/d"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {REDACTED}"),
        ("http://127.0.0.1:8080/livez", "http://127.0.0.1:8080/livez"),
    ],
)
def test_redact_text(text: str, safe: str) -> None:
    assert redact_text(text) == safe


def test_redact_keeps_whether_a_secret_exists() -> None:
    assert redact({"token": None, "webhook": True, "password": "x"}) == {
        "token": None,
        "webhook": True,
        "password": REDACTED,
    }


@pytest.fixture
def span_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "spans" / "spans.jsonl"
    configure_tracing("risk", path, None)
    yield path
    shutdown_tracing()


def test_spans_form_one_trace_across_a_job(span_file: Path) -> None:
    with span(names.SPAN_RELAY, kind="producer", job="risk.review"):
        sent = current_traceparent()
    assert current_traceparent() is None
    with continue_trace(sent), span(names.SPAN_JOB, kind="consumer", subject_id=None):
        pass
    parent, child = lines(span_file)
    assert child["trace_id"] == parent["trace_id"]
    assert child["parent_span_id"] == parent["span_id"]
    assert parent["parent_span_id"] is None
    assert (parent["service"], parent["kind"]) == ("risk", "producer")
    assert parent["attributes"] == {"job": "risk.review"}
    assert child["attributes"] == {}
    assert str(parent["start"]) <= str(parent["end"])


def test_a_failing_block_marks_its_span(span_file: Path) -> None:
    message = "no redis://:pw@h"
    with pytest.raises(RuntimeError), span(names.SPAN_HALT):
        raise RuntimeError(message)
    (line,) = lines(span_file)
    assert line["status"] == "error"
    assert line["status_text"] == f"RuntimeError: no redis://:{REDACTED}@h"


@pytest.mark.parametrize("sent", [None, "", "nonsense", "00-zz-yy-01"])
def test_without_a_usable_parent_a_new_trace_begins(span_file: Path, sent: str | None) -> None:
    with span(names.SPAN_RELAY):
        outer = current_trace_id()
        with continue_trace(sent), span(names.SPAN_JOB):
            assert current_trace_id() != outer
        assert current_trace_id() == outer


def test_an_unwritable_span_file_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    configure_tracing("risk", tmp_path / "file" / "spans.jsonl", None)
    with span(names.SPAN_JOB):
        assert current_trace_id() is not None
    shutdown_tracing()


def test_a_dead_backend_does_not_slow_spans() -> None:
    configure_tracing("risk", None, "http://127.0.0.1:9/v1/traces")
    started = time.monotonic()
    for _ in range(3000):
        with span(names.SPAN_JOB):
            pass
    spent = time.monotonic() - started
    stopper = threading.Thread(target=shutdown_tracing)
    stopper.start()
    stopper.join(timeout=15)
    assert not stopper.is_alive()
    assert spent < 5


def test_metrics_are_shown_by_their_registered_names() -> None:
    configure_metrics("risk")
    counter(names.RUNS).add(outcome="done")
    counter(names.RUNS).add(2, outcome="done")
    gauge(names.OUTBOX_LAG_SECONDS).set(1.5)
    histogram(names.APPROVE_TO_WRITE_SECONDS).record(0.02)
    text = metrics_text().decode()
    assert 'theta_runs_total{outcome="done"} 3.0' in text
    assert "theta_outbox_lag_seconds" in text
    assert "theta_approve_to_write_seconds_bucket" in text
    assert "python_info" not in text


@pytest.mark.parametrize("metric", names.METRICS.values(), ids=lambda metric: metric.name)
def test_each_metric_appears_under_the_name_in_the_reference(metric: names.MetricName) -> None:
    configure_metrics("risk")
    attributes = dict.fromkeys(metric.attributes, "x")
    if metric.kind == "counter":
        counter(metric.name).add(**attributes)
    elif metric.kind == "gauge":
        gauge(metric.name).set(1, **attributes)
    else:
        histogram(metric.name).record(0.1, **attributes)
    family = f"# TYPE {metric.exposed_name} {metric.kind}\n"
    assert family in metrics_text().decode()


def test_unregistered_names_and_attributes_are_refused() -> None:
    with pytest.raises(InvariantError, match="register it"):
        counter("theta_made_up")
    with pytest.raises(InvariantError, match="not a gauge"):
        gauge(names.RUNS)
    with pytest.raises(InvariantError, match="takes the attributes"):
        counter(names.RUNS).add(symbol="SPY")


def fetch(server: MetricsServer, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_workers_serve_metrics_and_liveness() -> None:
    configure_metrics("risk")
    counter(names.RUNS).add(outcome="done")
    alive = [True]

    def livez() -> bool:
        return alive.pop()

    server = serve_metrics(0, livez=livez)
    try:
        assert fetch(server, "/livez") == (200, b"ok\n")
        assert fetch(server, "/livez")[0] == 503
        assert b"theta_runs_total" in fetch(server, "/metrics")[1]
        assert fetch(server, "/other")[0] == 404
        with pytest.raises(ConfigError, match="THETA_METRICS_PORT"):
            serve_metrics(server.port, livez=livez)
    finally:
        server.stop()
