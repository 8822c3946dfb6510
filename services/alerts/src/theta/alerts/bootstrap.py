"""Wires the alerts service. The only place that knows every part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from theta.alerts.adapters.deliveries import PostgresDeliveries, PostgresSilences
from theta.alerts.adapters.log_channel import LogChannel
from theta.alerts.adapters.slack import SlackChannel
from theta.alerts.entrypoints.jobs import QUEUE, handlers
from theta.alerts.entrypoints.watch import Watch
from theta.alerts.ports import Channel
from theta.alerts.settings import Settings
from theta.alerts.use_cases.deliver import DeliverAlerts
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

SERVICE = "alerts"

_log = get_logger(__name__)


def channels_from(settings: Settings, config: ThetagangConfig) -> tuple[Channel, ...]:
    """Return the configured channels, or the log alone when none can be used."""
    channels: list[Channel] = []
    if "slack" in config.alerts.channels and settings.slack_webhook_url is not None:
        channels.append(SlackChannel(settings.slack_webhook_url.get_secret_value()))
    return tuple(channels) or (LogChannel(),)


def serve(environ: Mapping[str, str]) -> int:
    """Deliver alerts until SIGTERM or SIGINT; return 0.

    Redis may be away at the start and later: the loop delivers without it. Raises ConfigError or
    UnavailableError before anything is served.
    """
    settings = load_settings(Settings, environ)
    configure_logging(SERVICE, settings.log_level, settings.log_file)
    configure_metrics(SERVICE)
    configure_tracing(SERVICE, settings.trace_file, settings.otlp_endpoint)
    config = load_config(settings.config)
    faults = fault_points(settings.fault_file, stage=config.rollout.stage)
    channels = channels_from(settings, config)
    connection = connect(settings.redis_url.get_secret_value(), check=False)
    engine = open_database(settings.database_url.get_secret_value(), application_name=SERVICE)
    stop = stop_on_signals()
    clock = SystemClock()
    deliver = DeliverAlerts(
        deliveries=PostgresDeliveries(engine, RandomIds()),
        channels=channels,
        faults=faults,
        lease_seconds=settings.alert_takeover_seconds,
    )
    watch = Watch(deliver=deliver, silences=PostgresSilences(engine), clock=clock, stop=stop)
    worker = HandlerWorker(connection, queue_name=QUEUE, handlers=handlers(deliver), clock=clock)
    heartbeat = Heartbeat(engine, service=SERVICE, instance=instance_name())
    metrics = (
        serve_metrics(settings.metrics_port, livez=lambda: worker.healthy and watch.healthy)
        if settings.metrics_port
        else None
    )
    _say_ready(channels)
    heartbeat.start()
    watch.start()
    try:
        run_worker(worker, stop)
    finally:
        stop.set()
        watch.join()
        heartbeat.stop()
        if metrics is not None:
            metrics.stop()
        connection.close()
        engine.dispose()
        shutdown_tracing()
    return 0


def _say_ready(channels: Sequence[Channel]) -> None:
    names = [channel.name for channel in channels]
    if names == [LogChannel().name]:
        _log.error("alerts reach nobody: set THETA_SLACK_WEBHOOK_URL", channels=names)
    else:
        _log.info("alerts is ready", channels=names)
