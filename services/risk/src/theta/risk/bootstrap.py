"""Wires the risk service. The only place that knows every part."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from decimal import Decimal

from theta.common.adapters import RandomIds, SystemClock
from theta.common.config.environment import load_settings
from theta.common.config.thetagang import ThetagangConfig, load_config
from theta.common.postgres.startup import Heartbeat, open_database
from theta.common.process import fault_points, instance_name, stop_on_signals
from theta.common.redis.connection import connect
from theta.common.redis.worker import HandlerWorker, run_worker
from theta.common.telemetry.logs import configure_logging, get_logger
from theta.common.telemetry.metrics import configure_metrics, serve_metrics
from theta.common.telemetry.traces import configure_tracing, shutdown_tracing
from theta.risk.adapters.clocks import SessionClocks
from theta.risk.adapters.gateway import GatewayRefresher
from theta.risk.adapters.records import PostgresReviews
from theta.risk.adapters.sessions import ExchangeSessions
from theta.risk.domain.framework import RiskLimits, limits_hash
from theta.risk.domain.registry import CONTROLS
from theta.risk.entrypoints.jobs import QUEUE, handlers
from theta.risk.settings import Settings
from theta.risk.use_cases.review_intent import ReviewIntent

SERVICE = "risk"
MARKET_CLOCK_AGE_SECONDS_MAX = Decimal(5)
"""docs/architecture.md, "Two clocks": an older row counts as stale."""
QUOTE_AHEAD_SECONDS_MAX = Decimal(2)
"""The broker tells whole seconds, and two processes extrapolate from them."""

_log = get_logger(__name__)


def limits_from(config: ThetagangConfig) -> RiskLimits:
    """Return the limits that the configuration sets, floats by their shortest decimal text."""
    hours = config.runtime.exchange_hours
    return RiskLimits(
        order_contracts_max=config.risk.max_order_contracts,
        quote_age_seconds_max=Decimal(str(config.risk.quote_age_seconds_max)),
        quote_ahead_seconds_max=QUOTE_AHEAD_SECONDS_MAX,
        price_collar_ratio=Decimal(str(config.risk.price_collar_ratio)),
        price_collar_usd_min=Decimal(str(config.risk.price_collar_usd_min)),
        snapshot_age_seconds_max=Decimal(str(config.risk.snapshot_age_seconds_max)),
        margin_usage_ratio=Decimal(str(config.margin_usage)),
        delay_after_open_seconds=hours.delay_after_open,
        delay_before_close_seconds=hours.delay_before_close,
        market_clock_age_seconds_max=MARKET_CLOCK_AGE_SECONDS_MAX,
    )


def serve(environ: Mapping[str, str]) -> int:
    """Review intents until SIGTERM or SIGINT; return 0.

    Raises ConfigError or UnavailableError before anything is served.
    """
    settings = load_settings(Settings, environ)
    configure_logging(SERVICE, settings.log_level, settings.log_file)
    configure_metrics(SERVICE)
    configure_tracing(SERVICE, settings.trace_file, settings.otlp_endpoint)
    config = load_config(settings.config)
    limits = limits_from(config)
    sessions = ExchangeSessions(config.runtime.exchange_hours.exchange)
    faults = fault_points(settings.fault_file, stage=config.rollout.stage)
    engine = open_database(settings.database_url.get_secret_value(), application_name=SERVICE)
    connection = connect(settings.redis_url.get_secret_value())
    stop = stop_on_signals()
    clock = SystemClock()
    refresher = _refresher(settings)
    review = ReviewIntent(
        records=PostgresReviews(engine, RandomIds()),
        clocks=SessionClocks(engine, clock),
        sessions=sessions,
        limits=limits,
        controls=CONTROLS,
        process_clock=clock,
        faults=faults,
        refresher=refresher,
    )
    worker = HandlerWorker(connection, queue_name=QUEUE, handlers=handlers(review), clock=clock)
    heartbeat = Heartbeat(engine, service=SERVICE, instance=instance_name())
    metrics = (
        serve_metrics(settings.metrics_port, livez=lambda: worker.healthy)
        if settings.metrics_port
        else None
    )
    heartbeat.start()
    _log.info("risk is ready", limits_hash=limits_hash(limits), queue=QUEUE)
    try:
        _work(worker, stop)
    finally:
        heartbeat.stop()
        if metrics is not None:
            metrics.stop()
        if refresher is not None:
            refresher.close()
        connection.close()
        engine.dispose()
        shutdown_tracing()
    return 0


def _work(worker: HandlerWorker, stop: threading.Event) -> None:
    run_worker(worker, stop)
    _log.info("risk stops")


def _refresher(settings: Settings) -> GatewayRefresher | None:
    if settings.api_token is None:
        return None
    return GatewayRefresher(settings.gateway_url, settings.api_token.get_secret_value())
