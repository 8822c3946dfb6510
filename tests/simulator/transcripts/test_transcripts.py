"""The same seed and the same input give the same bytes at the same moments, whoever runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator.transcripts.play import CLIENTS, transcript

ROOT = Path(__file__).parents[3]
MANNERS = {"rude": (), "polite": ("broker.polite=true",)}
RUN_SECONDS = 50.0


def played(seed: int, overrides: tuple[str, ...], number: int) -> str:
    """A transcript made by a process of its own, in another time zone and with other hashes."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulator.transcripts.play", str(seed), *overrides],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        env={**os.environ, "PYTHONHASHSEED": str(number), "TZ": f"Etc/GMT+{number}"},
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(3 * RUN_SECONDS)
@pytest.mark.parametrize("manners", MANNERS)
def test_the_same_seed_gives_byte_identical_transcripts(manners: str) -> None:
    overrides = MANNERS[manners]
    first, second = played(7, overrides, 1), played(7, overrides, 9)
    assert first == second
    assert "Filled" in first
    assert "Cancelled" in first
    for client in CLIENTS:
        assert sum(f" {client} " in line for line in first.splitlines()) > 40


def test_another_seed_gives_another_transcript() -> None:
    assert transcript(7) != transcript(8)


def test_a_transcript_does_not_depend_on_what_ran_before() -> None:
    """Caches that outlive a simulator change nothing."""
    first = transcript(9, MANNERS["polite"])
    transcript(10)
    assert transcript(9, MANNERS["polite"]) == first
