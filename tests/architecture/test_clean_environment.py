"""Each service runs with only its own requirements: an import that is not declared fails here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, SERVICES

STEP_TIMEOUT_SECONDS = 280.0


def _run(*words: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        check=False,
        capture_output=True,
        text=True,
        timeout=STEP_TIMEOUT_SECONDS,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_with_only_its_own_requirements(service: str, tmp_path: Path) -> None:
    folder = service.replace("_", "-")
    pip = ["-m", "pip", "--disable-pip-version-check"]
    local = ["--no-index", "--no-deps"]
    wheels = tmp_path / "wheels"
    sources = [ROOT / "libs/common", ROOT / "services" / folder]
    _run(sys.executable, *pip, "wheel", *local, "--no-build-isolation", "-w", wheels, *sources)
    _run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    lock = ROOT / "requirements" / f"{folder}.txt"
    _run(python, *pip, "install", "--require-hashes", "-r", lock)
    _run(python, *pip, "install", *local, *sorted(wheels.glob("*.whl")))
    assert "usage" in _run(python, "-I", "-m", f"theta.{service}", "--help").lower()
