"""`python -m theta.strategy worker` and `python -m theta.strategy schedule`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from theta.common.config.environment import load_settings
from theta.common.process import run, stop_on_signals
from theta.common.telemetry.logs import configure_logging, get_logger
from theta.common.telemetry.metrics import configure_metrics, serve_metrics
from theta.common.telemetry.traces import configure_tracing, shutdown_tracing
from theta.strategy.bootstrap import wired_schedule, wired_worker
from theta.strategy.entrypoints.jobs import work
from theta.strategy.settings import StrategySettings, WorkerSettings


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code (see `theta.common.errors`)."""
    parser = argparse.ArgumentParser(prog="python -m theta.strategy", description=__doc__)
    parser.add_argument("process", choices=["worker", "schedule"])
    options = parser.parse_args(arguments)
    return run(_worker if options.process == "worker" else _schedule)


def _worker() -> int:
    settings = load_settings(WorkerSettings, os.environ)
    stop = stop_on_signals()
    with (
        _telemetry("strategy", settings),
        wired_worker(settings, stopping=stop.is_set) as worker,
        _metrics(settings, lambda: worker.healthy),
    ):
        get_logger(__name__).info("strategy worker ready")
        work(worker, stop)
    return 0


def _schedule() -> int:
    settings = load_settings(StrategySettings, os.environ)
    stop = stop_on_signals()
    with (
        _telemetry("schedule", settings),
        wired_schedule(settings) as schedule,
        _metrics(settings, lambda: schedule.healthy),
    ):
        get_logger(__name__).info("schedule ready")
        schedule.run(stop)
    return 0


@contextmanager
def _telemetry(service: str, settings: StrategySettings) -> Iterator[None]:
    configure_logging(service, settings.log_level, settings.log_file)
    configure_metrics(service)
    configure_tracing(service, settings.trace_file, settings.otlp_endpoint)
    try:
        yield
    finally:
        shutdown_tracing()


@contextmanager
def _metrics(settings: StrategySettings, livez: Callable[[], bool]) -> Iterator[None]:
    if settings.metrics_port == 0:
        yield
        return
    server = serve_metrics(settings.metrics_port, livez=livez)
    try:
        yield
    finally:
        server.stop()


if __name__ == "__main__":
    raise SystemExit(main())
