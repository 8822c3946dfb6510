"""A whole system of real processes, started once for the tests of this folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from theta.embedded.running import Deployment, Plan, Servers
from theta.embedded.slack_sink import SlackSink
from theta.embedded.stack import EmbeddedServers

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def system() -> Iterator[Deployment]:
    """Yield a running deployment on the example configuration."""
    folder = Path(tempfile.mkdtemp(prefix="theta-e2e-"))
    folder.chmod(0o711)  # PostgreSQL's own account must be able to pass
    config = ROOT / "config" / "thetagang.toml"
    with (
        SlackSink() as sink,
        EmbeddedServers(folder / "servers", environment={}) as servers,
        Deployment(folder, Servers.of(servers), Plan(config=config, slack_url=sink.url)) as running,
    ):
        yield running.start()
    shutil.rmtree(folder, ignore_errors=True)
