"""The adapter keeps its contract, and its guards hold, on `ib_async` as on `ib_insync`.

A process has one of the libraries for good, so the suites that run on ib_insync everywhere else run
once more here, in a process of their own.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITES = {"tests/contract/test_broker_port.py": 15, "tests/integration/gateway_adapter": 100}
"""Each suite and the number of its tests that must pass at least; two may run at once."""


@pytest.mark.slow
@pytest.mark.timeout(420)
@pytest.mark.parametrize("suite", SUITES)
def test_the_adapter_keeps_its_contract_on_ib_async(suite: str) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.use_ib_async"]
    options = ["-p", "no:cacheprovider", "-m", "slow or not slow"]
    done = subprocess.run(
        [*command, *options, suite],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout[-4000:]
    assert int(passed[1]) > SUITES[suite], f"only {passed[1]} tests ran"
