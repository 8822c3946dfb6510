"""`python -m theta.broker_gateway`: serve until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from theta.broker_gateway.adapters.ibkr.tws_client import TwsClient, choose
from theta.broker_gateway.settings import Settings
from theta.common.config.environment import load_settings
from theta.common.errors import EXIT_OK, EXIT_SOFTWARE, ConfigError, ThetaError, UnavailableError
from theta.common.postgres.engine import make_engine, refuse_unsafe_database, transaction
from theta.common.postgres.migrate import current_revision, newest_revision
from theta.common.telemetry.logs import configure_logging, get_logger
from theta.common.telemetry.metrics import configure_metrics
from theta.common.telemetry.traces import configure_tracing, shutdown_tracing

SERVICE = "broker-gateway"
DATABASE_PATIENCE_SECONDS = 30.0
RETRY_SECONDS = 1.0
POLL_SECONDS = 0.5

_log = get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service and return its exit code; one sentence on stderr when it cannot run."""
    prog = "python -m theta.broker_gateway"
    argparse.ArgumentParser(
        prog=prog,
        description="The one process that owns the broker session, and the HTTP API.",
        epilog="Settings are THETA_* variables: see docs/reference/settings.md.",
    ).parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load_settings(Settings, os.environ)
        configure_logging(SERVICE, settings.log_level, settings.log_file)
        configure_metrics(SERVICE)
        configure_tracing(SERVICE, settings.trace_file, settings.otlp_endpoint)
        choose(TwsClient(settings.tws_client))
        if not wait_for_database(settings, stop):
            return EXIT_OK
        return serve(settings, stop)
    except ThetaError as error:
        sys.stderr.write(f"{SERVICE}: {error}\n")
        return error.exit_code
    finally:
        shutdown_tracing()


def serve(settings: Settings, stop: threading.Event) -> int:
    """Run the gateway until `stop` is set or it must end; raise what it must end for."""
    # Here, and not above: it imports the client library that was chosen.
    from theta.broker_gateway.bootstrap import Gateway

    gateway = Gateway(settings)
    try:
        gateway.start()
        _log.info(
            "serving",
            port=gateway.http_port,
            session=settings.session,
            tws_client=settings.tws_client,
        )
        while not stop.wait(POLL_SECONDS):
            failure = gateway.failure()
            if failure is not None:
                raise failure
            if gateway.stalled:
                sys.stderr.write(f"{SERVICE}: the session loop stood still for 30 s: ending.\n")
                sys.stderr.flush()
                os._exit(EXIT_SOFTWARE)  # a clean stop would wait for the loop that stands still
    finally:
        gateway.stop()
    return EXIT_OK


def wait_for_database(settings: Settings, stop: threading.Event) -> bool:
    """Wait up to 30 s for a database that is safe and new enough; False when stopped meanwhile.

    Raises UnavailableError when it stays away, ConfigError when it is unsafe or of an older schema.
    """
    engine = make_engine(
        settings.database_url.get_secret_value(), application_name=SERVICE, pool_size=1
    )
    deadline = time.monotonic() + DATABASE_PATIENCE_SECONDS
    try:
        while not stop.is_set():
            try:
                with transaction(engine) as connection:
                    current, newest = current_revision(connection), newest_revision()
                    if current != newest:
                        raise ConfigError(
                            f"The database schema is at {current or 'nothing'}, this program needs"
                            f" {newest}: run `python -m theta.common.postgres migrate`."
                        )
                    refuse_unsafe_database(connection)
                return True
            except UnavailableError as error:
                if time.monotonic() >= deadline:
                    raise UnavailableError(
                        f"The database did not answer for {DATABASE_PATIENCE_SECONDS:.0f} s"
                        f" ({error}): start it or mend THETA_DATABASE_URL."
                    ) from error
                stop.wait(RETRY_SECONDS)
        return False
    finally:
        engine.dispose()


if __name__ == "__main__":
    sys.exit(main())
