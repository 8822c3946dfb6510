"""Shows that the campaign sees a broken rule: each mutation must make it report violations.

`python -m tests.simulation.mutations` runs the relevant seeds once as they are (no violation is
allowed) and once with each rule broken by an overlay on the services' import path.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.simulation.campaign import run_campaign
from tests.simulation.plans import SeedPlan, draw
from tests.simulation.seed_run import SeedResult

OVERLAYS = Path(__file__).parent / "overlays"
SEARCH_LIMIT = 1000
BROKEN_SETTLE_SECONDS = 15.0
"""A system with a broken rule never comes to agree: twice what a whole one needs to settle."""
SLOWNESS = ("stuck", "unfinished")
"""What a machine that is too slow shows as well: no proof that the rule was missed."""


def _any(_plan: SeedPlan) -> bool:
    return True


def _loses_an_answer(plan: SeedPlan) -> bool:
    swallowed = any(act.body.get("kind") == "swallow_next_ack" for act in plan.acts)
    # A crash of the gateway would make it ask, and hear, before the time is up.
    return swallowed and not any(name.startswith("gateway.") for name in plan.points)


def _runs_under_a_halt(plan: SeedPlan) -> bool:
    kinds = [act.kind for act in plan.acts]
    return "halt" in kinds and "resume" not in kinds and kinds[-1] == "run"


@dataclass(frozen=True, slots=True)
class Mutation:
    """A rule broken by the overlay `name`, and the plans under which that can be seen."""

    name: str
    broken: str
    relevant: Callable[[SeedPlan], bool]


MUTATIONS = (
    Mutation("claim", "an order is sent without a committed claim", _any),
    Mutation("unknown", "no answer in time is taken for absent", _loses_an_answer),
    Mutation("gate", "a halted gate is read as active", _runs_under_a_halt),
)


def seeds_for(mutation: Mutation, count: int) -> list[int]:
    """Return the first `count` seeds whose plan can show the mutation."""
    found = [seed for seed in range(1, SEARCH_LIMIT) if mutation.relevant(draw(seed))]
    return found[:count]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when the unbroken system is clean and every mutation is seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutations")
    parser.add_argument("--seeds", type=int, default=2, help="seeds for each mutation")
    parser.add_argument("--only", choices=[mutation.name for mutation in MUTATIONS])
    options = parser.parse_args(arguments)
    chosen = [item for item in MUTATIONS if options.only in (None, item.name)]
    table = Table("rule", "seeds", "as it is", "broken", "seen by", title="Mutations")
    ok = True
    for mutation in chosen:
        seeds = seeds_for(mutation, options.seeds)
        _tell(f"{mutation.name}: as it is, seeds {seeds}")
        sound = run_campaign(seeds, overlay=None, keep=False, tell=_tell)
        _tell(f"{mutation.name}: broken: {mutation.broken}")
        broken = run_campaign(
            seeds, overlay=OVERLAYS / mutation.name, keep=False, tell=_tell,
            settle_seconds=BROKEN_SETTLE_SECONDS,
        )  # fmt: skip
        _forget(broken)
        before, after = _count(sound), _count(broken)
        ok = ok and not before and any(rule not in SLOWNESS for rule in after)
        table.add_row(
            f"{mutation.name}: {mutation.broken}",
            ", ".join(map(str, seeds)),
            f"{before.total()} violations",
            f"{after.total()} violations",
            ", ".join(f"{rule} {count}" for rule, count in after.most_common(4)),
        )
    Console(width=140).print(table)
    return 0 if ok else 1


def _forget(results: Sequence[SeedResult]) -> None:
    """Remove the folders of seeds that were meant to fail."""
    for result in results:
        if result.folder is not None:
            shutil.rmtree(result.folder.parent, ignore_errors=True)


def _count(results: Sequence[SeedResult]) -> Counter[str]:
    return Counter(violation.rule for result in results for violation in result.violations)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
