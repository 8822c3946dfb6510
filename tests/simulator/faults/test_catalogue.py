"""The catalogue is documented and tested: a kind without either fails here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT
from theta.simulator import documentation
from theta.simulator.errors import ScenarioError
from theta.simulator.faults.catalogue import CATALOGUE, check
from theta.simulator.faults.parameters import FaultError

REFERENCE = ROOT / "docs" / "reference" / "simulator.md"


def _tests() -> dict[str, set[str]]:
    """Every test of this folder with the names of its arguments."""
    found: dict[str, set[str]] = {}
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                found[node.name] = {argument.arg for argument in node.args.args}
    return found


def test_every_kind_has_a_test_in_which_a_client_sees_it() -> None:
    tests = _tests()
    missing = [k for k in CATALOGUE if "connect" not in tests.get(f"test_fault_{k}", set())]
    assert missing == []


def test_no_test_is_left_of_a_kind_that_is_gone() -> None:
    named = {n.removeprefix("test_fault_") for n in _tests() if n.startswith("test_fault_")}
    assert named == set(CATALOGUE)


def test_the_reference_is_as_the_code_writes_it() -> None:
    text = REFERENCE.read_text()
    assert documentation.rewritten(text) == text, (
        "run: python -m theta.simulator docs docs/reference/simulator.md"
    )
    for kind in CATALOGUE:
        assert f"| `{kind}` |" in text


def test_a_reference_without_a_place_for_a_part_is_refused() -> None:
    with pytest.raises(ScenarioError, match="no place for faults"):
        documentation.rewritten("# empty")


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_row_says_something_and_every_chance_is_valid(name: str) -> None:
    kind = CATALOGUE[name]
    for sentence in (kind.effect, kind.seen):
        assert len(sentence) > 10
        assert sentence.endswith(".")
    for values in kind.chance:
        check(name, values)


@pytest.mark.parametrize(
    ("kind", "given", "complaint"),
    [
        ("prize_gap", {}, "the nearest known kind is price_gap"),
        (None, {}, "Unknown kind 'None'"),
        ("swallow", {"callbak": "tick"}, "Unknown key callbak; the nearest known key is callback"),
        ("swallow", {"callback": "ticks"}, "callback must be one of openOrder"),
        ("swallow", {}, "callback must be one of"),
        ("login", {"now": True}, "Unknown key now; it takes no keys"),
        ("half_open", {"client_id": "1"}, "client_id must be a client id"),
        ("tune", {"fill_probability": 2}, "fill_probability must be a number from 0 to 1"),
        ("restart", {"times": 1.5}, "times must be a whole number from 1 to 100"),
        ("codes", {"codes": [1, "2"]}, "codes must be a list"),
        ("polite", {"on": 1}, "on must be true or false"),
        ("news", {"text": 3}, "text must be a text"),
    ],
)
def test_a_wrong_fault_is_one_sentence(
    kind: str | None, given: dict[str, object], complaint: str
) -> None:
    with pytest.raises(FaultError) as refused:
        check(kind, given)
    assert complaint in refused.value.text
    assert refused.value.text.endswith(".")
