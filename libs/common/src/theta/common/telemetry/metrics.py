"""Counters, histograms and gauges, shown in Prometheus' text format.

Names come from `theta.common.telemetry.names`; an unknown name or attribute is an error at once,
so dashboards and alert rules cannot drift from the code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Counter as OtelCounter
from opentelemetry.metrics import Histogram as OtelHistogram
from opentelemetry.metrics import _Gauge as OtelGauge
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest

from theta.common.errors import ConfigError, InvariantError
from theta.common.telemetry.names import METRICS, MetricKind, MetricName

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Instrument = OtelCounter | OtelHistogram | OtelGauge


class Metrics:
    """The instruments of one process."""

    def __init__(self, service: str) -> None:
        # A registry of our own, so that a process can be configured again and shows nothing of
        # other libraries.
        self._registry = CollectorRegistry()
        self._reader = PrometheusMetricReader(
            disable_target_info=True, scope_info_enabled=False, registry=self._registry
        )
        self._provider = MeterProvider(
            metric_readers=[self._reader],
            resource=Resource({"service.name": service}),
            shutdown_on_exit=False,
        )
        self._meter = self._provider.get_meter("theta")
        self._lock = threading.Lock()
        self._instruments: dict[str, Instrument] = {}

    def instrument(self, spec: MetricName) -> Instrument:
        with self._lock:
            known = self._instruments.get(spec.name)
            if known is None:
                known = self._create(spec)
                self._instruments[spec.name] = known
            return known

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def _create(self, spec: MetricName) -> Instrument:
        # No unit is passed on: the exporter would append it to a name that already carries it.
        if spec.kind == "counter":
            return self._meter.create_counter(spec.name, description=spec.description)
        if spec.kind == "gauge":
            return self._meter.create_gauge(spec.name, description=spec.description)
        return self._meter.create_histogram(
            spec.name,
            description=spec.description,
            explicit_bucket_boundaries_advisory=list(spec.buckets),
        )


class _Current:
    metrics: Metrics | None = None
    lock = threading.Lock()


def configure_metrics(service: str) -> Metrics:
    """Start afresh with empty metrics for `service` and return them."""
    with _Current.lock:
        _Current.metrics = Metrics(service)
        return _Current.metrics


def _metrics() -> Metrics:
    with _Current.lock:
        if _Current.metrics is None:
            _Current.metrics = Metrics("theta")
        return _Current.metrics


class _Named:
    def __init__(self, name: str, kind: MetricKind) -> None:
        spec = METRICS.get(name)
        if spec is None or spec.kind != kind:
            message = (
                f"{name!r} is not a {kind} of theta.common.telemetry.names: register it there."
            )
            raise InvariantError(message)
        self._spec = spec
        self._allowed = frozenset(spec.attributes)

    def _checked(self, attributes: dict[str, str]) -> dict[str, str]:
        if attributes.keys() != self._allowed:
            message = (
                f"metric {self._spec.name} takes the attributes {sorted(self._allowed)}, "
                f"not {sorted(attributes)}."
            )
            raise InvariantError(message)
        return attributes


class Counter(_Named):
    """A number that only grows."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "counter")

    def add(self, amount: float = 1, /, **attributes: str) -> None:
        """Add `amount`, 0 or more. All registered attributes must be given."""
        instrument = cast("OtelCounter", _metrics().instrument(self._spec))
        instrument.add(amount, self._checked(attributes))


class Histogram(_Named):
    """A distribution, in the unit its name ends with."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "histogram")

    def record(self, value: float, /, **attributes: str) -> None:
        instrument = cast("OtelHistogram", _metrics().instrument(self._spec))
        instrument.record(value, self._checked(attributes))


class Gauge(_Named):
    """A number that goes up and down; the last value set is shown."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "gauge")

    def set(self, value: float, /, **attributes: str) -> None:
        instrument = cast("OtelGauge", _metrics().instrument(self._spec))
        instrument.set(value, self._checked(attributes))


def counter(name: str) -> Counter:
    """Return the counter `name` (a constant of `names`). May be called before configuring."""
    return Counter(name)


def histogram(name: str) -> Histogram:
    """Return the histogram `name` (a constant of `names`)."""
    return Histogram(name)


def gauge(name: str) -> Gauge:
    """Return the gauge `name` (a constant of `names`)."""
    return Gauge(name)


def metrics_text() -> bytes:
    """Return all metrics of this process in Prometheus' text format (`CONTENT_TYPE`)."""
    return _metrics().text()


class MetricsServer:
    """`/metrics` and `/livez` of a worker, from a thread of its own."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port in use, also when 0 was asked for."""
        return self._server.server_port

    def stop(self) -> None:
        """Close the port and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def serve_metrics(
    port: int, *, livez: Callable[[], bool], host: str = "127.0.0.1"
) -> MetricsServer:
    """Serve `/metrics`, and `/livez` as 200 or 503 by what `livez` says (an exception is 503).

    Port 0 takes a free one.

    Raises:
        ConfigError: the port cannot be opened.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, metrics_text(), CONTENT_TYPE)
            elif self.path == "/livez":
                alive = _alive(livez)
                self._answer(
                    200 if alive else 503, b"ok\n" if alive else b"not alive\n", "text/plain"
                )
            else:
                self._answer(404, b"not found\n", "text/plain")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            return

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:
        message = f"THETA_METRICS_PORT {port} on {host} cannot be opened ({error}): choose another."
        raise ConfigError(message) from error
    server.daemon_threads = True
    return MetricsServer(server)


def _alive(livez: Callable[[], bool]) -> bool:
    try:
        return livez()
    except Exception:  # noqa: BLE001 - a failing check is the answer "not alive"
        return False
