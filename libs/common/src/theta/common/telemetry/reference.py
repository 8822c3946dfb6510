"""Writes `docs/reference/telemetry.md` from the registry of names.

`python -m theta.common.telemetry.reference > docs/reference/telemetry.md`
"""

from __future__ import annotations

import sys

from theta.common.telemetry.logs import ID_KEYS
from theta.common.telemetry.names import ATTRIBUTES, METRICS, SPANS


def telemetry_markdown() -> str:
    """Return the page, ending in one newline."""
    lines = [
        "# Telemetry",
        "",
        "Generated from `theta.common.telemetry.names`; a test compares the two.",
        "",
        "## Log lines",
        "",
        "One JSON object per line: `at` (UTC, milliseconds), `level`, `service`, `module`,",
        "`event`, and the ids of what is being worked on: "
        + ", ".join(f"`{key}`" for key in sorted(ID_KEYS))
        + ".",
        "Secrets are written as `[redacted]`.",
        "",
        "## Metrics",
        "",
        "In Prometheus' text format on `/metrics`; histograms also show `_bucket`,",
        "`_sum` and `_count`.",
        "",
        "| metric | kind | unit | attributes | meaning |",
        "|---|---|---|---|---|",
    ]
    for metric in sorted(METRICS.values(), key=lambda one: one.name):
        attributes = ", ".join(f"`{name}`" for name in metric.attributes) or "none"
        lines.append(
            f"| `{metric.exposed_name}` | {metric.kind} | {metric.unit} | {attributes} "
            f"| {metric.description} |"
        )
    lines += ["", "## Spans", "", "| span | meaning |", "|---|---|"]
    lines += [f"| `{one.name}` | {one.description} |" for _, one in sorted(SPANS.items())]
    lines += ["", "## Attributes", "", "| attribute | meaning |", "|---|---|"]
    lines += [f"| `{one.name}` | {one.description} |" for _, one in sorted(ATTRIBUTES.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(telemetry_markdown())
