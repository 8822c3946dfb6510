"""The reference page of the controls, made from the registry."""

from __future__ import annotations

from collections.abc import Sequence

from theta.risk.domain.framework import Control

_HEAD = """# Risk controls

Made from the registry (`python -m theta.risk reference`); a test compares the two.

Every order intent passes every control below, an operator's too, in one transaction over stored
inputs. All of them always run, and every result is stored with its limit and what was observed,
also on a pass (`risk_verdict`). One refusal rejects the order. A missing, stale or impossible input
is a refusal; a control that fails is the refusal `<control>.error`.
"""


def render(controls: Sequence[Control]) -> str:
    """Return the page as Markdown, ending with a newline."""
    parts = [_HEAD]
    for control in controls:
        lines = [f"## {control.title} (`{control.code}`)", "", control.meaning, ""]
        keys = ", ".join(f"`{key}`" for key in control.keys) or "none"
        lines += [f"Settings: {keys}.", "", "| code | meaning |", "|---|---|"]
        lines += [f"| `{code}` | {meaning} |" for code, meaning in control.codes]
        lines += [f"| `{control.code}.error` | the control itself failed |", ""]
        lines += [f"What to do: {control.what_to_do}", ""]
        parts.append("\n".join(lines))
    return "\n".join(parts)
