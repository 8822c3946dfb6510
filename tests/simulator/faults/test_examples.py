"""What the documents tell a stranger to type works as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import ROOT
from theta.simulator.faults.catalogue import check
from theta.simulator.inprocess import ThreadedSimulator
from theta.simulator.scenarios import scenario

GUIDE = ROOT / "docs" / "simulator.md"
README = ROOT / "tools" / "simulator" / "README.md"
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(GUIDE.read_text()) if kind == language]


def example(library: str) -> str:
    (text,) = [
        text for text in blocks("python") if re.search(rf"^(import|from) {library}", text, re.M)
    ]
    return text


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "said"),
    [("ib_insync", r"Filled \d+\.\d+"), ("ib_async", r"\d+\.\d+ \d+\.\d+ -0\.\d+"),
     ("ibapi", r"BOT [\d.]+ IWM at \d+\.\d+|Filled 10")],
)  # fmt: skip
def test_an_example_trades_against_the_usual_manners(
    start: Callable[..., ThreadedSimulator], library: str, said: str
) -> None:
    simulator = start()
    text = example(library)
    assert text.count("4002") == 1
    assert re.search(said, run(text.replace("4002", str(simulator.port))))


@pytest.mark.slow
def test_the_example_without_a_second_process_runs() -> None:
    port, cash = run(example("theta")).split()
    assert int(port) > 1023
    assert float(cash) == 400_000


def test_the_example_of_a_scenario_is_valid(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    file = tmp_path / "my-day.toml"
    file.write_text(text)
    found = scenario.load(str(file))
    assert [account.name for account in found.accounts] == ["DU1", "DU2"]
    assert len(found.events) == 1


@pytest.mark.parametrize("page", [GUIDE, README], ids=["guide", "readme"])
def test_named_scenarios_and_faults_exist(page: Path) -> None:
    text = page.read_text()
    named = re.findall(r"--scenario (\S+)", text)
    assert named
    assert set(named) <= set(scenario.built_in())
    for body in re.findall(r"/fault -d '(\{.*?\})'", text):
        given: dict[str, Any] = json.loads(body)
        check(given.pop("kind"), given)
