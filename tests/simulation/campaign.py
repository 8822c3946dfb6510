"""The campaign: many seeds of market, faults and crashes; the oracle decides.

`python -m tests.simulation.campaign --seeds 20 --first-seed 1`. The last line is one JSON object;
exit 1 on any violation. Each failing seed prints the one command that replays it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.simulation.grounds import grounds
from tests.simulation.plans import POINTS, draw
from tests.simulation.seed_run import SETTLE_TIMEOUT_SECONDS, SeedResult, run_seed
from tests.simulation.stages import Stages
from tests.simulation.timing import TIMING


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds; return 0 without a violation, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.campaign")
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep every seed's folder")
    parser.add_argument("--verbose", action="store_true", help="tell what each seed waits for")
    parser.add_argument("--overlay", type=Path, help="put first on the services' import path")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    started = time.monotonic()
    results = run_campaign(
        seeds, overlay=options.overlay, keep=options.keep, tell=_tell, verbose=options.verbose
    )
    violations = sum(len(result.violations) for result in results)
    _tell(_summary(results))
    figures = {
        "seeds": len(results),
        "faults": sum(result.faults for result in results),
        "violations": violations,
        "seconds": round(time.monotonic() - started, 1),
    }
    _tell(json.dumps(figures))
    return 1 if violations else 0


def run_campaign(
    seeds: Sequence[int],
    *,
    overlay: Path | None,
    keep: bool,
    tell: Callable[[str], None],
    verbose: bool = False,
    settle_seconds: float = SETTLE_TIMEOUT_SECONDS,
) -> list[SeedResult]:
    """Run the seeds on the same servers; folders of failed seeds are kept.

    A seed that does not come to agree is judged after `settle_seconds` of settling.
    While a seed settles, the processes of the next are started. A seed's seconds count from the
    end of the one before it, so that they add up to the campaign's.
    """
    results: list[SeedResult] = []
    plans = [draw(seed) for seed in seeds]
    with grounds(overlay) as ground, Stages(ground, TIMING) as stages:
        for number, plan in enumerate(plans, start=1):
            tell(f"[{number}/{len(seeds)}] seed {plan.seed}: {plan.describe()}")
            notice = _timed(tell) if verbose else _silent
            following = plans[number] if number < len(plans) else None
            result = run_seed(
                stages,
                plan,
                following=following,
                keep=keep,
                notice=notice,
                settle_seconds=settle_seconds,
            )
            results.append(result)
            _report(result, tell)
    if not any(result.folder for result in results):
        shutil.rmtree(ground.folder, ignore_errors=True)
    return results


def _silent(_text: str) -> None:
    return


def _timed(tell: Callable[[str], None]) -> Callable[[str], None]:
    started = time.monotonic()
    last = ""

    def notice(text: str) -> None:
        nonlocal last
        if text != last:
            last = text
            tell(f"    {time.monotonic() - started:6.2f} s  {text}")

    return notice


def _report(result: SeedResult, tell: Callable[[str], None]) -> None:
    verdict = f"{len(result.violations)} VIOLATIONS" if result.violations else "ok"
    tell(
        f"    {verdict} in {result.seconds:.1f} s: {result.orders} orders, {result.filled} filled, "
        f"{result.faults} faults struck ({', '.join(result.points) or 'no point'})"
    )
    for violation in result.violations:
        tell(f"    VIOLATION {violation}")
    if result.violations:
        tell(f"    logs: {result.folder}")
        tell(
            "    replay: .venv/bin/python -m tests.simulation.campaign "
            f"--seeds 1 --first-seed {result.seed}"
        )


def _summary(results: Sequence[SeedResult]) -> str:
    median = statistics.median(result.seconds for result in results)
    reached = {point for result in results for point in result.points}
    missed = [point for point in POINTS if point not in reached]
    return f"median {median:.1f} s per seed; points never struck: {', '.join(missed) or 'none'}"


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
