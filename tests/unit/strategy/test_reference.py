"""The page about decisions is the registry's, and the registry has every code once."""

from __future__ import annotations

from pathlib import Path

from theta.strategy.domain.reasons import DECIDING, FACTS, REFUSALS, Code
from theta.strategy.entrypoints.reference import decisions_markdown

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "decisions.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == decisions_markdown()


def test_every_code_is_described_once() -> None:
    assert sorted([*DECIDING, *FACTS, *REFUSALS]) == sorted(Code)
