"""Each seed's system, started while the seed before it settles, and cleared away behind it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.simulation.grounds import Grounds
from tests.simulation.plans import SeedPlan
from theta.embedded.running import Deployment, Plan
from theta.embedded.slack_sink import SlackSink

CONFIG = Path(__file__).parents[2] / "config" / "thetagang.toml"
INSTALLATION = "camp"


class Stage:
    """One seed's database, Redis, sink, simulator and services, in a folder of its own."""

    def __init__(
        self, grounds: Grounds, plan: SeedPlan, timing: Mapping[str, str], redis_number: int
    ) -> None:
        """Start everything. Raises UnavailableError when a process does not come up."""
        self.folder = grounds.folder_of(plan.seed)
        self._held = ExitStack()
        try:
            fresh = grounds.fresh(f"seed_{plan.seed}", redis_number=redis_number)
            servers = self._held.enter_context(fresh)
            self.sink = self._held.enter_context(SlackSink())
            self.deployment = Deployment(
                self.folder,
                servers,
                Plan(
                    config=CONFIG,
                    seed=plan.market_seed,
                    slack_url=self.sink.url,
                    installation=INSTALLATION,
                    environment=timing,
                ),
                starter=grounds.nursery,
            )
            self._held.callback(self.deployment.processes.kill_all)
            self.deployment.start()
        except BaseException:
            self._held.close()
            raise

    def clear(self, *, keep: bool) -> None:
        """Drop the database and, unless `keep`, the folder. A second call does nothing."""
        self._held.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Stages:
    """Makes one stage beside the one in use, in a thread. Call it from one thread."""

    def __init__(self, grounds: Grounds, timing: Mapping[str, str]) -> None:
        self._grounds = grounds
        self._timing = timing
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stages")
        self._coming: dict[int, Future[Stage]] = {}
        self._made = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for coming in self._coming.values():
            if not coming.cancel() and coming.exception() is None:
                coming.result().clear(keep=False)
        self._worker.shutdown(wait=True)

    def folder_of(self, plan: SeedPlan) -> Path:
        """Return the folder of the plan's processes and their logs."""
        return self._grounds.folder_of(plan.seed)

    def prepare(self, plan: SeedPlan) -> None:
        """Begin to start the plan's stage; a second call does nothing."""
        if plan.seed not in self._coming:
            # Two in a row never share a Redis, whatever their seeds are.
            self._made += 1
            coming = self._worker.submit(Stage, self._grounds, plan, self._timing, self._made)
            self._coming[plan.seed] = coming

    def take(self, plan: SeedPlan) -> Stage:
        """Return the plan's stage once it is ready. Raises what its start raised."""
        self.prepare(plan)
        return self._coming.pop(plan.seed).result()

    def leave(self, stage: Stage, *, keep: bool) -> None:
        """End the stage's processes now, and clear it away in the background."""
        stage.deployment.processes.kill_all()
        self._worker.submit(stage.clear, keep=keep)
