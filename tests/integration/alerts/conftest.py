"""Alerts in a real database, and a Slack stand-in over real HTTP."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, text

from tests.support.servers import Database
from theta.alerts.adapters.deliveries import PostgresDeliveries, PostgresSilences
from theta.alerts.adapters.log_channel import LogChannel
from theta.alerts.adapters.slack import SlackChannel
from theta.alerts.ports import Channel
from theta.alerts.use_cases.deliver import DeliverAlerts
from theta.common.adapters import NoFaults, RandomIds
from theta.common.ports import FaultPoints
from theta.common.postgres.alerts import Severity, raise_alert
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.tables import alert_delivery
from theta.embedded.slack_sink import SlackSink

ACCOUNT = "DU1234567"
CHANNEL_TIMEOUT_SECONDS = 1


@dataclass
class Desk:
    """Raises alerts as services do, delivers with the service's own role, reads what became."""

    database: Database
    owner: Engine
    role: Engine
    sink: SlackSink
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def alert(
        self, severity: Severity = "critical", title: str = "Order unknown", message: str = "look"
    ) -> UUID:
        with transaction(self.owner) as connection:
            made = raise_alert(
                connection,
                account=ACCOUNT,
                session="main",
                severity=severity,
                kind="order.unknown",
                title=title,
                message=message,
                context={"symbol": "SPY", "order_ref": "theta-abc"},
                source_key=f"test:{next(self._numbers)}",
            )
        assert made is not None
        return made

    def deliver(
        self,
        *,
        channels: tuple[Channel, ...] | None = None,
        faults: FaultPoints | None = None,
        lease_seconds: float = 30.0,
    ) -> DeliverAlerts:
        slack = SlackChannel(self.sink.url, timeout_seconds=CHANNEL_TIMEOUT_SECONDS)
        return DeliverAlerts(
            deliveries=PostgresDeliveries(self.role, RandomIds()),
            channels=channels or (slack,),
            faults=faults or NoFaults(),
            lease_seconds=lease_seconds,
        )

    def without_channel(self) -> DeliverAlerts:
        return self.deliver(channels=(LogChannel(),))

    def silences(self) -> PostgresSilences:
        return PostgresSilences(self.role)

    def delivery(self, alert_id: UUID) -> Any:
        with transaction(self.owner) as connection:
            statement = select(alert_delivery).where(alert_delivery.c.alert_id == alert_id)
            return connection.execute(statement).one()

    def wait_of(self, alert_id: UUID) -> float:
        """Return the seconds until the next attempt."""
        rows = self.rows(
            "select extract(epoch from next_attempt_at - clock_timestamp()) from alert_delivery"
            f" where alert_id = '{alert_id}'"
        )
        return float(rows[0][0])

    def rows(self, statement: str) -> list[Any]:
        with transaction(self.owner) as connection:
            return list(connection.execute(text(statement)))

    def write(self, statement: str) -> None:
        with transaction(self.owner) as connection:
            connection.execute(text(statement))

    def make_due(self) -> None:
        self.write("update alert_delivery set next_attempt_at = clock_timestamp()")


@pytest.fixture
def sink() -> Iterator[SlackSink]:
    with SlackSink() as running:
        yield running


@pytest.fixture
def desk(database: Database, sink: SlackSink) -> Iterator[Desk]:
    owner = make_engine(database.superuser_url, application_name="test")
    role = make_engine(database.url_for("theta_alerts"), application_name="alerts")
    yield Desk(database=database, owner=owner, role=role, sink=sink)
    role.dispose()
    owner.dispose()
