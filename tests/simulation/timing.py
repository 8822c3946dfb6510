"""The services' times in a campaign: shorter than in production, in the same relations.

A seed spends most of its seconds waiting for one of these. Each may shrink as long as what it
protects shrinks with it; the relations are asserted by test_timing.py.
"""

from __future__ import annotations

from collections.abc import Mapping

RESOLVE_INTERVAL_SECONDS = 1.0
"""Between the two rounds that show an absence (order-protocol §6 allows 1 s on the simulator)."""
ACKNOWLEDGE_WITHIN_SECONDS = 2.0
"""Longer than the simulator's slowest honest answer, `delay_callbacks_ms` 1500 included."""
SWEEP_INTERVAL_SECONDS = 0.5
SWEEP_AGE_SECONDS = 1.0
ALERT_TAKEOVER_SECONDS = 2.0
"""Longer than the sink takes to answer: only a killed sender is taken over."""
CALM_SECONDS = 1.75
"""Longer than the sweeper's age and period: a second send of what was swept would be seen."""
FREEZE_SECONDS = 2.5
"""Longer than `send_by`: a sender frozen between claim and write must not send on waking."""

TIMING: Mapping[str, str] = {
    "THETA_RESOLVE_INTERVAL_SECONDS": f"{RESOLVE_INTERVAL_SECONDS:g}",
    "THETA_ACKNOWLEDGE_WITHIN_SECONDS": f"{ACKNOWLEDGE_WITHIN_SECONDS:g}",
    "THETA_SWEEP_INTERVAL_SECONDS": f"{SWEEP_INTERVAL_SECONDS:g}",
    "THETA_SWEEP_AGE_SECONDS": f"{SWEEP_AGE_SECONDS:g}",
    "THETA_ALERT_TAKEOVER_SECONDS": f"{ALERT_TAKEOVER_SECONDS:g}",
}
"""What is added to every service's environment."""
