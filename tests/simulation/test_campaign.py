"""The campaign as it is run: clean on the product, loud when a rule is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*words: str, timeout: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
    )


@pytest.mark.slow
@pytest.mark.timeout(320)
def test_two_seeds_are_clean_and_counted() -> None:
    done = run("tests.simulation.campaign", "--seeds", "2", "--first-seed", "9", timeout=300)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, figures["violations"], figures["seeds"]) == (0, 0, 2), done.stdout
    assert figures["faults"] >= 2
    assert figures["seconds"] > 0


@pytest.mark.slow
@pytest.mark.timeout(320)
@pytest.mark.parametrize("rule", ["claim", "unknown", "gate"])
def test_a_broken_rule_is_seen(rule: str) -> None:
    done = run("tests.simulation.mutations", "--seeds", "1", "--only", rule, timeout=300)
    assert done.returncode == 0, done.stdout
