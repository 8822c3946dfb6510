"""One strategy run: gather, decide, apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from theta.common.domain.decisions import Decision
from theta.common.errors import (
    StaleDataError,
    ThetaError,
    TransientError,
    UnavailableError,
)
from theta.common.ports import FaultPoints, MarketClock, ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import bind_ids, get_logger
from theta.common.telemetry.metrics import counter, histogram
from theta.common.telemetry.traces import span
from theta.strategy.domain.decide import decide
from theta.strategy.domain.policy import WheelPolicy
from theta.strategy.ports import NotStarted, RunRecords, RunStart
from theta.strategy.use_cases.gather import (
    GATHER_SECONDS_MAX,
    Deadline,
    Gather,
    market_now,
)

ATTEMPTS_MAX = 3
"""A run that could not gather this often is failed, and a person is told."""

_log = get_logger(__name__)


class RunEnd(StrEnum):
    """How a call of `run` ended."""

    FINISHED = "finished"
    NOT_STARTED = "not_started"
    RETRIED = "retried"
    """It could not be carried out now; the sweeper asks for it again."""
    FAILED = "failed"


class RunStrategy:
    """Carries out runs of one account's policy."""

    def __init__(
        self,
        *,
        records: RunRecords,
        gather: Gather,
        market_clock: MarketClock,
        clock: ProcessClock,
        faults: FaultPoints,
        policy: WheelPolicy,
        stopping: Callable[[], bool],
    ) -> None:
        self._records = records
        self._gather = gather
        self._market_clock = market_clock
        self._clock = clock
        self._faults = faults
        self._policy = policy
        self._stopping = stopping

    def run(self, run_id: UUID) -> RunEnd:
        """Carry out the run unless it has ended or another one of the account is at work.

        Safe to repeat: decisions, intents and the run's end are one transaction. What cannot be
        gathered fails the attempt with one sentence in the run's record.
        Raises UnavailableError when the database is away, and whatever a bug raises.
        """
        started = self._clock.boottime_seconds()
        with bind_ids(run_id=run_id), span(names.SPAN_STRATEGY_RUN, run_id=str(run_id)):
            end = self._run(run_id)
        counter(names.RUNS).add(outcome=end.value)
        elapsed = self._clock.boottime_seconds() - started
        histogram(names.RUN_SECONDS).record(elapsed, outcome=end.value)
        return end

    def _run(self, run_id: UUID) -> RunEnd:
        symbols = [put.symbol for put in self._policy.symbols]
        seen = self._market_clock.market_time()
        at = seen.at if seen is not None else self._clock.wall_at()
        start = self._records.begin(run_id, market_at=at, symbols=symbols)
        if isinstance(start, NotStarted):
            _log.info("run not started", why=start.value)
            return RunEnd.NOT_STARTED
        try:
            self._carry_out(start)
        except (TransientError, StaleDataError) as error:
            # A stop is no fault of the gateway's: it never makes a run final.
            return self._failed(start, error, final=self._is_last(start) and not self._stopping())
        except ThetaError as error:
            return self._failed(start, error, final=True)
        except Exception as error:
            self._failed(start, error, final=self._is_last(start))
            raise
        return RunEnd.FINISHED

    def _carry_out(self, start: RunStart) -> None:
        def keep() -> None:
            if not self._records.renew(start):
                raise UnavailableError("the run's lease was lost: another process has the run.")

        deadline = Deadline(self._clock, GATHER_SECONDS_MAX, self._stopping)
        snapshot = self._gather.gather(
            start,
            lambda snapshot_id: self._records.pending(start.account, snapshot_id),
            deadline,
            keep,
        )
        now = market_now(self._market_clock)
        decisions = decide(snapshot, self._policy, now)
        self._faults.reach("strategy.run.before_commit")
        result = self._records.finish(
            start, decisions, market_at=now, summary=summary_of(decisions)
        )
        self._faults.reach("strategy.run.after_commit")
        for decision in decisions:
            counter(names.DECISIONS).add(kind=decision.kind.value, outcome=decision.outcome.value)
        _log.info(
            "run finished",
            decisions=result.decisions,
            intents=result.intents,
            withdrawn=result.withdrawn,
        )

    def _is_last(self, start: RunStart) -> bool:
        return start.attempt >= ATTEMPTS_MAX

    def _failed(self, start: RunStart, error: Exception, *, final: bool) -> RunEnd:
        sentence = str(error) if isinstance(error, ThetaError) else f"{type(error).__name__}"
        _log.warning("run attempt failed", error=sentence, attempt=start.attempt, final=final)
        self._records.fail(start, sentence, final=final, alert=final)
        return RunEnd.FAILED if final else RunEnd.RETRIED


def summary_of(decisions: Sequence[Decision]) -> dict[str, Any]:
    """Return what a run decided, in short: counts by outcome, and each symbol's first reason."""
    return {
        "outcomes": dict(sorted(Counter(one.outcome.value for one in decisions).items())),
        "symbols": {
            one.symbol: {"outcome": one.outcome.value, "code": one.reasons[0].code}
            for one in decisions
        },
    }
