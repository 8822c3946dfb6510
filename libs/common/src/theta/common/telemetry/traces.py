"""Spans, and the trace context that travels with a job.

A tracing backend that is down or slow never stops or slows the program: the file exporter drops
what it cannot write, the pushing exporter works from a bounded queue in its own thread.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from theta.common.telemetry.redaction import redact, redact_text

Kind = Literal["internal", "server", "client", "producer", "consumer"]
AttributeValue = str | bool | int | float

OTLP_TIMEOUT_SECONDS = 2.0
OTLP_QUEUE_SIZE = 2048
SPAN_FILE_BYTES_MAX = 64 * 1024 * 1024
"""A span file above this is renamed to `<file>.1`, replacing the one before."""

_KINDS: dict[Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_propagator = TraceContextTextMapPropagator()


def _iso(nanoseconds: int | None) -> str | None:
    if nanoseconds is None:
        return None
    at = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class JsonLinesExporter(SpanExporter):
    """One JSON object per finished span, appended in one write: processes may share the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        text = "".join(json.dumps(self._line(span), default=str) + "\n" for span in spans)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o640)
            try:
                os.write(handle, text.encode())
                self._rotate_if_large(handle)
            finally:
                os.close(handle)
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        return None

    def _rotate_if_large(self, handle: int) -> None:
        written = os.fstat(handle)
        if written.st_size <= SPAN_FILE_BYTES_MAX:
            return
        # Another process may have renamed it a moment ago; its new small file must not follow.
        if self._path.stat().st_ino == written.st_ino:
            self._path.replace(self._path.with_name(self._path.name + ".1"))

    @staticmethod
    def _line(span: ReadableSpan) -> dict[str, object]:
        own = span.context
        status = span.status.status_code.name.lower()
        return {
            "trace_id": f"{own.trace_id:032x}" if own else None,
            "span_id": f"{own.span_id:016x}" if own else None,
            "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else None,
            "name": span.name,
            "kind": span.kind.name.lower(),
            "service": span.resource.attributes.get("service.name"),
            "start": _iso(span.start_time),
            "end": _iso(span.end_time),
            "attributes": redact(dict(span.attributes or {})),
            "status": status,
            "status_text": redact_text(span.status.description or ""),
        }


def _provider(service: str) -> TracerProvider:
    # ALWAYS_ON and an explicit resource: nothing is read from OTEL_* variables.
    return TracerProvider(
        sampler=ALWAYS_ON, resource=Resource({"service.name": service}), shutdown_on_exit=False
    )


class _Tracing:
    """The provider in use. Before `configure_tracing`, spans have ids and go nowhere."""

    provider: TracerProvider = _provider("theta")


def configure_tracing(service: str, trace_file: Path | None, otlp_endpoint: str | None) -> None:
    """Send finished spans to `trace_file` (JSON lines) and/or `otlp_endpoint` (OTLP over HTTP).

    `otlp_endpoint` is the full address, `http://collector:4318/v1/traces`. May be called again:
    the earlier set-up is shut down first.
    """
    shutdown_tracing()
    provider = _provider(service)
    if trace_file is not None:
        provider.add_span_processor(SimpleSpanProcessor(JsonLinesExporter(trace_file)))
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=otlp_endpoint, timeout=OTLP_TIMEOUT_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=OTLP_QUEUE_SIZE))
    _Tracing.provider = provider


def shutdown_tracing() -> None:
    """Flush and stop the exporters. Waits at most a few seconds for a backend that is down."""
    _Tracing.provider.shutdown()
    _Tracing.provider = _provider("theta")


@contextmanager
def span(
    name: str, *, kind: Kind = "internal", **attributes: AttributeValue | None
) -> Iterator[Span]:
    """Run the block inside a span; an exception marks it failed and passes on.

    `name` is a constant of `theta.common.telemetry.names`. Attributes that are `None` are left
    out; an underscore in a keyword stands for itself.
    """
    tracer = _Tracing.provider.get_tracer("theta")
    present = {key: value for key, value in attributes.items() if value is not None}
    with tracer.start_as_current_span(
        name,
        kind=_KINDS[kind],
        attributes=present,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except BaseException as error:
            text = redact_text(f"{type(error).__name__}: {error}")
            current.set_status(Status(StatusCode.ERROR, text))
            raise


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` of the running span, or `None` outside any span."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def current_trace_id() -> str | None:
    """Return the 32 hex digits of the running trace, or `None` outside any span."""
    context = otel_trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


@contextmanager
def continue_trace(traceparent: str | None) -> Iterator[None]:
    """Make spans inside the block children of `traceparent`; `None` or nonsense starts afresh."""
    carrier = {"traceparent": traceparent} if traceparent else {}
    context = _propagator.extract(carrier, context=otel_context.Context())
    token = otel_context.attach(context)
    try:
        yield
    finally:
        otel_context.detach(token)
