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
SUITES = ("tests/contract/test_broker_port.py", "tests/integration/gateway_adapter")


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_the_adapter_keeps_its_contract_on_ib_async() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.use_ib_async"]
    options = ["-p", "no:cacheprovider", "-m", "slow or not slow"]
    done = subprocess.run(
        [*command, *options, *SUITES],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout[-4000:]
    assert int(passed[1]) > 100, f"only {passed[1]} tests ran"
