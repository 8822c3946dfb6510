"""`make demo ONCE=1` as a stranger runs it: headless, alone, judged by its last line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 120


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("THETA_")}
    return subprocess.run(
        [sys.executable, "-m", "theta.embedded", "demo", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS + 60,
        cwd=ROOT,
        env=environment,
    )


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_SECONDS + 90)
def test_the_demo_holds_and_says_so() -> None:
    done = demo("--once", "--seed", "7")
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, figures["ok"]) == (0, True), done.stdout
    assert figures["puts_sold"] == 3
    assert figures["orders"] == 3
    assert figures["filled"] >= 1
    assert figures["adopted"] >= 1
    assert figures["violations"] == 0
    assert figures["journal_intact"] is True
    assert figures["journal_rows"] > 0
    assert figures["slack_messages"] >= 1
    assert figures["seconds"] < LIMIT_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--config", "missing.toml"), "missing.toml"),
        (("--data-dir", "{used}"), "not empty"),
        (("--data-dir", "/proc/nowhere"), "/proc/nowhere"),
    ],
)
def test_what_cannot_begin_is_one_sentence(
    words: tuple[str, ...], named: str, tmp_path: Path
) -> None:
    (tmp_path / "something").touch()
    done = demo("--once", *(word.format(used=tmp_path) for word in words))
    assert done.returncode == 78
    complaints = [line for line in done.stdout.splitlines() if "failed: " in line]
    assert len(complaints) == 1
    assert named in complaints[0]
    assert "Traceback" not in done.stdout + done.stderr
