"""JSON-lines logs: one shape for our own events and for those of the libraries.

{"at": "2026-08-19T14:30:00.123Z", "level": "info", "service": "risk", "module": "theta.risk…",
 "event": "intent approved", "intent_id": "…", "trace_id": "…"}
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import cast

import structlog
from structlog.typing import EventDict, Processor

from theta.common.errors import ConfigError
from theta.common.telemetry.redaction import redact
from theta.common.telemetry.traces import current_trace_id

FILE_BYTES_MAX = 20 * 1024 * 1024
FILES_KEPT = 14

ID_KEYS = frozenset(
    {
        "run_id",
        "intent_id",
        "child_id",
        "alert_id",
        "job_id",
        "order_ref",
        "order_id",
        "account",
        "session",
        "symbol",
        "trace_id",
    }
)
"""The ids that `bind_ids` accepts; each is the same key in every service."""

_QUIET = {
    "uvicorn.access": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "rq": logging.ERROR,
    "rq.worker": logging.ERROR,
    "rq.job": logging.ERROR,
    "ib_insync": logging.WARNING,
    "ib_async": logging.WARNING,
    "opentelemetry": logging.ERROR,
    "alembic": logging.WARNING,
}


class DailyRotatingFileHandler(RotatingFileHandler):
    """Rotates when the file is full and when the UTC day of the records changes."""

    def __init__(self, path: Path, *, max_bytes: int, kept: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=kept, encoding="utf-8")
        self._day: date | None = None

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the standard library's name
        day = datetime.fromtimestamp(record.created, UTC).date()
        changed = self._day is not None and day != self._day
        self._day = day
        return changed or bool(super().shouldRollover(record))


class _ServiceFields:
    """Adds what every line carries: time of the record, level, service, module, trace."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(
        self, logger: object, method: str, event: MutableMapping[str, object]
    ) -> MutableMapping[str, object]:
        record = cast("logging.LogRecord", event["_record"])
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        event["at"] = at.replace("+00:00", "Z")
        event["level"] = record.levelname.lower()
        event["service"] = self._service
        event["module"] = record.name
        trace_id = current_trace_id()
        if trace_id is not None:
            event.setdefault("trace_id", trace_id)
        return event


def _redact_event(logger: object, method: str, event: EventDict) -> EventDict:
    return cast("EventDict", redact(event))


def _in_order(logger: object, method: str, event: EventDict) -> EventDict:
    first = ("at", "level", "service", "module", "event")
    head = {key: event[key] for key in first if key in event}
    return {**head, **{key: value for key, value in event.items() if key not in head}}


def configure_logging(service: str, level: str = "INFO", file: Path | None = None) -> None:
    """Send every log line as JSON to stdout, and to `file` (rotated by size and UTC day).

    Standard-library loggers (uvicorn, rq, alembic, ib_insync) take the same way. May be called
    again: the earlier handlers are closed.

    Raises:
        ConfigError: an unknown level, or a file that cannot be opened.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        message = f"THETA_LOG_LEVEL is {level!r}: use DEBUG, INFO, WARNING or ERROR."
        raise ConfigError(message)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(allow=()),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            cast("Processor", _ServiceFields(service)),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _redact_event,
            _in_order,
            structlog.processors.JSONRenderer(default=str),
        ],
    )
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if file is not None:
        handlers.append(_file_handler(file))
    root = logging.getLogger()
    for old in list(root.handlers):
        if getattr(old, "theta_owned", False):
            root.removeHandler(old)
            if isinstance(old, logging.FileHandler):
                old.close()
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.theta_owned = True  # type: ignore[attr-defined]  # marks ours for the next call
        root.addHandler(handler)
    root.setLevel(number)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, number))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "rq.worker", "rq.job"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _file_handler(file: Path) -> logging.Handler:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return DailyRotatingFileHandler(file, max_bytes=FILE_BYTES_MAX, kept=FILES_KEPT)
    except OSError as error:
        message = f"THETA_LOG_FILE {file} cannot be opened ({error.strerror}): choose another path."
        raise ConfigError(message) from error


def get_logger(module: str) -> structlog.stdlib.BoundLogger:
    """Return a module's logger: `get_logger(__name__).info("intent approved", intent_id=…)`."""
    return structlog.stdlib.get_logger(module)


@contextmanager
def bind_ids(**ids: object) -> Iterator[None]:
    """Put `ids` on every log line of the block (this thread or task only). `None` is left out.

    Raises:
        ValueError: a key that is not in `ID_KEYS`.
    """
    unknown = set(ids) - ID_KEYS
    if unknown:
        message = f"unknown log ids {sorted(unknown)}: use {sorted(ID_KEYS)}"
        raise ValueError(message)
    present = {key: str(value) for key, value in ids.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**present):
        yield
