"""The TWS client library for Node.js, as published, against the simulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulator.conftest import FAST
from theta.simulator.inprocess import ThreadedSimulator

pytestmark = pytest.mark.slow

HERE = Path(__file__).with_name("node")
INSTALL_SECONDS = 240
RUN_SECONDS = 40
HELD = 'account.positions=[{symbol="IWM",quantity=30,average_cost=210.0}]'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program beside its installed library; skips, saying why, where that cannot be had."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "trade.js"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry does not answer")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        unreachable = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH")
        if any(word in done.stderr for word in unreachable):
            pytest.skip(f"the npm registry cannot be reached: {lines[-1] if lines else ''}")
        pytest.fail(f"npm ci failed: {done.stderr}")
    return folder


@pytest.mark.timeout(INSTALL_SECONDS + RUN_SECONDS + 20)
def test_the_node_library_connects_and_trades(
    project: Path, start: Callable[..., ThreadedSimulator]
) -> None:
    simulator = start(*FAST, HELD)
    done = subprocess.run(
        ["node", "trade.js", str(simulator.port), "DU1234567"],
        check=False,
        cwd=project,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["serverVersion"] == 178
    assert ["DU1234567", "IWM", 30] in told["positions"]
    assert 0 < told["bid"] < told["ask"]
    filled, cancelled = told["statuses"].values()
    assert filled[-1] == "Filled" or told["executions"]
    assert cancelled[-1] == "Cancelled"
    truth = simulator.control("/truth")
    assert {order["order_ref"]: order["status"] for order in truth["orders"]} == {
        "node filled": "Filled",
        "node cancelled": "Cancelled",
    }
    assert sum(item["shares"] for item in truth["executions"]) == 3
    unexpected = [e for e in told["errors"] if e[1] not in (202, 2104, 2106, 2107, 2108, 2158)]
    assert unexpected == []
