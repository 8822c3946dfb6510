"""Budget: critical event committed → message handed to the channel (a sink on this machine)."""

from __future__ import annotations

import time

from benchmarks.stage import Stage, percentile, wait_for
from theta.common.postgres.alerts import raise_alert
from theta.common.postgres.engine import make_engine, transaction

ALERTS = 20


def measure(stage: Stage) -> dict[str, float]:
    """Raise alerts one by one as the gateway would, and wait for each at the sink."""
    engine = make_engine(
        stage.servers.database_urls["theta_gateway"], application_name="bench", pool_size=1
    )
    seconds = []
    try:
        for number in range(ALERTS):
            title = f"benchmark alert {number}"
            with transaction(engine) as connection:
                raise_alert(
                    connection,
                    account="*",
                    session=None,
                    severity="critical",
                    kind=f"bench.{number}",
                    title=title,
                    message="nothing is wrong",
                    context={},
                    source_key=title,
                )
            started = time.monotonic()
            wait_for(
                lambda title=title: any(title in post.title for post in stage.sink.delivered),
                30.0,
                poll_seconds=0.005,
            )
            seconds.append(time.monotonic() - started)
    finally:
        engine.dispose()
    return {"critical_alert_seconds_p99": round(percentile(seconds, 99), 3)}
