"""One seed: the services at work while its plan is carried out, then the oracle's judgement."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.simulation.grounds import Grounds
from tests.simulation.plans import Act, SeedPlan
from theta.common.config.thetagang import load_config
from theta.common.errors import ThetaError, UnavailableError
from theta.embedded.oracle_readers import fetch_truth
from theta.embedded.oracle_values import Expectation, Violation
from theta.embedded.running import SERVICES, Deployment, Plan
from theta.embedded.settling import on_its_way, plain_url, query, settle, sink_bodies
from theta.embedded.slack_sink import SlackSink

CONFIG = Path(__file__).parents[2] / "config" / "thetagang.toml"
INSTALLATION = "camp"
SPEEDED_UP = {
    "THETA_RESOLVE_INTERVAL_SECONDS": "1",
    "THETA_ACKNOWLEDGE_WITHIN_SECONDS": "2",
    "THETA_SWEEP_INTERVAL_SECONDS": "1",
    "THETA_SWEEP_AGE_SECONDS": "2",
}
RUN_TIMEOUT_SECONDS = 30.0
SETTLE_TIMEOUT_SECONDS = 40.0
CALM_SECONDS = 2.0
"""Longer than the sweeper's period: a second send of what was swept would be seen."""
FREEZE_SECONDS = 3.0
"""Longer than `send_by`: a sender frozen between claim and write must not send on waking."""


@dataclass(slots=True, kw_only=True)
class SeedResult:
    """What came of one seed; `folder` is `None` when it was removed."""

    seed: int
    faults: int
    orders: int
    filled: int
    violations: tuple[Violation, ...]
    seconds: float
    folder: Path | None = None
    points: list[str] = field(default_factory=list)


def run_seed(
    grounds: Grounds, plan: SeedPlan, *, keep: bool, notice: Callable[[str], None]
) -> SeedResult:
    """Run one seed to its judgement; never raises for what the services do."""
    started = time.monotonic()
    folder = grounds.folder / f"seed-{plan.seed}"
    result = SeedResult(
        seed=plan.seed, faults=0, orders=0, filled=0, violations=(), seconds=0.0, folder=folder
    )
    try:
        with grounds.fresh(f"seed_{plan.seed}") as servers, SlackSink() as sink:
            deployment = Deployment(
                folder,
                servers,
                Plan(
                    config=CONFIG,
                    seed=plan.market_seed,
                    slack_url=sink.url,
                    installation=INSTALLATION,
                    environment=SPEEDED_UP,
                ),
                starter=grounds.nursery,
            )
            try:
                _Seed(deployment, plan, sink, grounds, notice).run(result)
            finally:
                deployment.processes.kill_all()
    except ThetaError as error:
        result.violations = (Violation(rule="stuck", subject=str(plan.seed), text=str(error)),)
    result.seconds = time.monotonic() - started
    if not result.violations and not keep:
        shutil.rmtree(folder, ignore_errors=True)
        result.folder = None
    return result


class _Seed:
    def __init__(
        self,
        deployment: Deployment,
        plan: SeedPlan,
        sink: SlackSink,
        grounds: Grounds,
        notice: Callable[[str], None],
    ) -> None:
        self._deployment = deployment
        self._plan = plan
        self._sink = sink
        self._grounds = grounds
        self._notice = notice
        self._url = deployment.servers.reader_url
        self._symbols = frozenset(load_config(CONFIG).portfolio.symbols)
        self._down_since: dict[str, float] = {}
        self._frozen_since: dict[str, float] = {}
        self._struck = 0
        self._retry: list[Act] = []

    def run(self, result: SeedResult) -> None:
        self._deployment.start()
        self._notice("started")
        opening = fetch_truth(self._deployment.control_url)
        self._deployment.control("/fault", self._plan.tune)
        self._deployment.faults.arm(self._plan.points)
        self._act(Act(0.0, "run"))
        self._carry_out()
        self._notice("the plan is carried out")
        truth, _, violations = settle(
            self._deployment.control_url,
            self._url,
            lambda: Expectation(
                installation=INSTALLATION,
                opening=opening,
                symbols=self._symbols,
                sink_bodies=sink_bodies(self._sink),
            ),
            timeout_seconds=SETTLE_TIMEOUT_SECONDS,
            calm_seconds=CALM_SECONDS,
            notice=self._notice,
            attend=self._mend,
            refresh=self._deployment.refresh_account,
        )
        result.points = self._deployment.faults.fired()
        result.faults = self._struck + len(result.points)
        result.orders = len(truth.orders)
        result.filled = sum(order.status == "Filled" for order in truth.orders)
        leftovers = on_its_way(self._url) if violations else []
        result.violations = (
            *violations,
            *(Violation(rule="unfinished", subject="settle", text=text) for text in leftovers),
        )

    # -- during the run ----------------------------------------------------------------------------

    def _carry_out(self) -> None:
        """Do the acts at their times, restart what dies, until the first run has ended."""
        began = time.monotonic()
        left = list(self._plan.acts)
        while True:
            now = time.monotonic() - began
            self._mend()
            for act in [*self._retry, *(act for act in left if act.after_seconds <= now)]:
                self._act(act)
            left = [act for act in left if act.after_seconds > now]
            if not left and not self._retry and self._runs_ended():
                return
            if now > RUN_TIMEOUT_SECONDS:
                return  # the settling names what is not finished
            time.sleep(0.05)

    def _runs_ended(self) -> bool:
        rows = query(self._url, "select status from strategy_run")
        return bool(rows) and all(row["status"] in ("finished", "failed") for row in rows)

    def _act(self, act: Act) -> None:
        if act in self._retry:
            self._retry.remove(act)
        try:
            if getattr(self, f"_{act.kind}")(act.body):
                self._struck += act.kind in ("flush_redis", "broker", "halt")
        except UnavailableError:
            # The gateway is down at this moment: as an operator would, try again.
            self._retry.append(act)

    def _run(self, _body: Any) -> bool:
        answer = self._deployment.api("POST", "/v1/runs", {})
        return self._accepted(answer.status, answer.body, {200, 202, 409})

    def _halt(self, _body: Any) -> bool:
        answer = self._deployment.api("POST", "/v1/halt", {"reason": "the campaign halts"})
        return self._accepted(answer.status, answer.body, {200})

    def _resume(self, _body: Any) -> bool:
        answer = self._deployment.api("POST", "/v1/resume", {"reason": "the campaign resumes"})
        return self._accepted(answer.status, answer.body, {200})

    def _cancel(self, _body: Any) -> bool:
        rows = query(self._url, "select id::text from order_intent where state = 'working' limit 1")
        for row in rows:
            answer = self._deployment.api("POST", f"/v1/intents/{row['id']}/cancel", {})
            self._accepted(answer.status, answer.body, {200, 202, 409})
        return bool(rows)

    def _accepted(self, status: int, body: Any, wanted: set[int]) -> bool:
        if status == 503:
            raise UnavailableError(f"answered 503: {body}")
        if status not in wanted:
            raise ThetaError(f"the API answered {status}: {body}")
        return True

    def _broker(self, body: Any) -> bool:
        self._deployment.control("/fault", body)
        return True

    def _flush_redis(self, _body: Any) -> bool:
        with redis.Redis.from_url(self._grounds.redis_url) as client:
            client.flushall()
        return True

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
