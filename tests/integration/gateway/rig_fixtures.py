"""Fixtures of the rig: the service's own engine, the owner's, and a rig that is ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.integration.gateway.rig import Rig
from tests.support.servers import Database
from theta.common.postgres.engine import make_engine


@pytest.fixture
def rig_engine(database: Database) -> Iterator[Engine]:
    """Connect as the gateway's own role."""
    found = make_engine(database.url_for("theta_gateway"), application_name="rig")
    yield found
    found.dispose()


@pytest.fixture
def rig(rig_engine: Engine, tmp_path: Path) -> Iterator[Rig]:
    """Yield a rig that is connected, reconciled and may send."""
    found = Rig(rig_engine, tmp_path)
    found.ready()
    yield found
    found.close()
