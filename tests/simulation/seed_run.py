"""One seed: the services at work while its plan is carried out, then the oracle's judgement."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.simulation.acting import Acting
from tests.simulation.plans import Act, SeedPlan
from tests.simulation.stages import CONFIG, INSTALLATION, Stage, Stages
from tests.simulation.timing import CALM_SECONDS, FREEZE_SECONDS
from theta.common.config.thetagang import load_config
from theta.common.errors import ThetaError
from theta.embedded.oracle_readers import Reader, fetch_truth
from theta.embedded.oracle_values import Expectation, Truth, Violation
from theta.embedded.running import SERVICES
from theta.embedded.settling import on_its_way, plain_url, settle, sink_bodies

RUN_TIMEOUT_SECONDS = 30.0
SETTLE_TIMEOUT_SECONDS = 40.0
LOOK_EVERY_SECONDS = 0.05

_ORDER_SENT = """
    select exists (select from broker_command where sent_at is not null) as sent,
      not exists (select from order_intent
        where state in ('proposed', 'approved', 'submitting', 'unknown')) as idle
"""


@dataclass(slots=True, kw_only=True)
class SeedResult:
    """What came of one seed; `folder` is `None` when it was removed."""

    seed: int
    faults: int = 0
    orders: int = 0
    filled: int = 0
    violations: tuple[Violation, ...] = ()
    seconds: float = 0.0
    folder: Path | None = None
    points: list[str] = field(default_factory=list)


def run_seed(
    stages: Stages,
    plan: SeedPlan,
    *,
    following: SeedPlan | None,
    keep: bool,
    notice: Callable[[str], None],
    settle_seconds: float = SETTLE_TIMEOUT_SECONDS,
) -> SeedResult:
    """Run one seed to its judgement; never raises for what the services do.

    The stage of `following` is started while this one settles.
    """
    started = time.monotonic()
    result = SeedResult(seed=plan.seed, folder=stages.folder_of(plan))
    stage: Stage | None = None
    try:
        stage = stages.take(plan)
        notice("started")
        seed = _Seed(stage, plan, notice)
        try:
            seed.strike()
            if following is not None:
                stages.prepare(following)
            seed.settle(result, settle_seconds)
        finally:
            seed.close()
    except ThetaError as error:
        result.violations = (Violation(rule="stuck", subject=str(plan.seed), text=str(error)),)
    kept = keep or bool(result.violations)
    if stage is not None:
        stages.leave(stage, keep=kept)
    if not kept:
        result.folder = None
    result.seconds = time.monotonic() - started
    return result


class _Seed:
    def __init__(self, stage: Stage, plan: SeedPlan, notice: Callable[[str], None]) -> None:
        self._deployment = stage.deployment
        self._sink = stage.sink
        self._plan = plan
        self._notice = notice
        self._url = stage.deployment.servers.reader_url
        self._reader = Reader(self._url)
        self._symbols = frozenset(load_config(CONFIG).portfolio.symbols)
        acts = (Act(0.0, "run"), *plan.acts)
        self._acting = Acting(stage.deployment, acts, order_sent=self._order_sent)
        self._opening: Truth | None = None
        self._down_since: dict[str, float] = {}
        self._frozen_since: dict[str, float] = {}

    def strike(self) -> None:
        """Arm the plan's faults, ask for a run, do the acts at their times, restart what dies;
        return when the first run has ended."""
        self._opening = fetch_truth(self._deployment.control_url)
        self._deployment.control("/fault", self._plan.tune)
        self._deployment.faults.arm(self._plan.points)
        began = time.monotonic()
        while (now := time.monotonic() - began) <= RUN_TIMEOUT_SECONDS:
            self._mend()
            if self._acting.turn(now) and self._runs_ended():
                break
            time.sleep(LOOK_EVERY_SECONDS)
        # Otherwise the settling names what is not finished.
        self._notice("the plan is carried out")

    def settle(self, result: SeedResult, timeout_seconds: float) -> None:
        """Wait for rest, judge, and fill in the result."""
        truth, _, violations = settle(
            self._deployment.control_url,
            self._reader,
            self._expectation,
            timeout_seconds=timeout_seconds,
            calm_seconds=CALM_SECONDS,
            notice=self._notice,
            attend=self._mend,
        )
        result.points = self._deployment.faults.fired()
        result.faults = self._acting.struck + len(result.points)
        result.orders = len(truth.orders)
        result.filled = sum(order.status == "Filled" for order in truth.orders)
        leftovers = on_its_way(self._reader) if violations else []
        result.violations = (
            *violations,
            *(Violation(rule="unfinished", subject="settle", text=text) for text in leftovers),
        )

    def close(self) -> None:
        self._acting.close()
        self._reader.close()

    def _expectation(self) -> Expectation:
        assert self._opening is not None
        return Expectation(
            installation=INSTALLATION,
            opening=self._opening,
            symbols=self._symbols,
            sink_bodies=sink_bodies(self._sink),
        )

    def _runs_ended(self) -> bool:
        rows = self._reader.rows("select status from strategy_run")
        return bool(rows) and all(row["status"] in ("finished", "failed") for row in rows)

    def _order_sent(self) -> bool:
        (row,) = self._reader.rows(_ORDER_SENT)
        return bool(row["sent"]) or (bool(row["idle"]) and self._runs_ended())

    # -- mending -----------------------------------------------------------------------------------

    def _mend(self) -> bool:
        """Restart what was killed and wake what was frozen, each after its time; tell if
        all is up."""
        now = time.monotonic()
        all_up = True
        for name in SERVICES:
            processes = self._deployment.processes
            if processes.process_id(name) is None:
                all_up = False
                since = self._down_since.setdefault(name, now)
                if now - since >= self._plan.restart_after_seconds:
                    del self._down_since[name]
                    self._notice(f"restarting {name}")
                    self._end_leases(name)
                    self._deployment.launch(name)
            elif self._is_stopped(name):
                all_up = False
                since = self._frozen_since.setdefault(name, now)
                if now - since >= FREEZE_SECONDS:
                    del self._frozen_since[name]
                    self._notice(f"waking {name}")
                    processes.signal(name, signal.SIGCONT)
        return all_up

    def _end_leases(self, name: str) -> None:
        """Let the run lease of a dead worker end now instead of after its 30 s.

        The epoch still fences the dead holder out; the gateway's and the schedule's own leases are
        left alone.
        """
        if name == "strategy":
            url = plain_url(self._url)
            with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
                connection.execute(
                    "update lease set expires_at = clock_timestamp() where name like 'run:%'"
                )

    def _is_stopped(self, name: str) -> bool:
        process_id = self._deployment.processes.process_id(name)
        try:
            status = Path(f"/proc/{process_id}/stat").read_text()
        except OSError:
            return False
        return status.rpartition(")")[2].split()[0] == "T"
