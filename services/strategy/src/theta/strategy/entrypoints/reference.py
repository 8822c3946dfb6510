"""Writes `docs/reference/decisions.md` from the codes.

`python -m theta.strategy.entrypoints.reference > docs/reference/decisions.md`
"""

from __future__ import annotations

import sys

from theta.strategy.domain.reasons import DECIDING, FACTS, REFUSALS


def decisions_markdown() -> str:
    """Return the page, ending in one newline."""
    lines = [
        "# Decisions",
        "",
        "Generated from `theta.strategy.domain.reasons`; a test compares the two.",
        "",
        "Every configured symbol gets one decision in every run, also when nothing is done.",
        "Its first reason decided; the others are the facts that led there. Each reason carries",
        "its code, a text, the limit and the value observed.",
        "",
        "## What decides",
        "",
        "| code | outcome | meaning |",
        "|---|---|---|",
        *(f"| `{code}` | {outcome} | {text} |" for code, (outcome, text) in DECIDING.items()),
        "",
        "## Facts beside it",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| `{code}` | {text} |" for code, text in FACTS.items()),
        "",
        "## Why a candidate contract is refused",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| `{code}` | {text} |" for code, text in REFUSALS.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(decisions_markdown())
