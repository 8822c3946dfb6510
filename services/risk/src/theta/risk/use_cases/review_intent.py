"""Review one order intent: every control over stored inputs, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from theta.common.errors import UnavailableError
from theta.common.ports import FaultPoints, ProcessClock
from theta.common.telemetry import names
from theta.common.telemetry.logs import bind_ids, get_logger
from theta.common.telemetry.metrics import counter, histogram
from theta.common.telemetry.traces import current_traceparent, span
from theta.risk.domain.cash import cash_needed
from theta.risk.domain.framework import (
    Control,
    MarketNow,
    ReviewInputs,
    RiskLimits,
    Verdict,
    limits_hash,
    review,
)
from theta.risk.ports import (
    Clocks,
    OpenReview,
    PortfolioRefresher,
    ReviewRecords,
    Sessions,
    StoredFacts,
)

REFRESH_AT_AGE_RATIO = Decimal("0.5")
"""A snapshot older than this share of its limit is refreshed before the review."""

_log = get_logger(__name__)


class ReviewIntent:
    """The verb of this service. One instance serves one thread at a time."""

    def __init__(
        self,
        *,
        records: ReviewRecords,
        clocks: Clocks,
        sessions: Sessions,
        limits: RiskLimits,
        controls: Sequence[Control],
        process_clock: ProcessClock,
        faults: FaultPoints,
        refresher: PortfolioRefresher | None,
    ) -> None:
        self._records = records
        self._clocks = clocks
        self._sessions = sessions
        self._limits = limits
        self._limits_hash = limits_hash(limits)
        self._controls = tuple(controls)
        self._process_clock = process_clock
        self._faults = faults
        self._refresher = refresher

    def __call__(self, intent_id: UUID) -> str:
        """Review the intent and return how it ended.

        `approved`, `rejected`, `expired` (its validity had passed), or `nothing` when it is not
        proposed (any more): a repeated job changes nothing. Raises UnavailableError when the
        database is away and CommitUnknownError when a commit's answer was lost; both may be tried
        again.
        """
        started = self._process_clock.boottime_seconds()
        with span(names.SPAN_RISK_REVIEW, intent_id=str(intent_id)) as current:
            self._refresh_snapshot(intent_id)
            outcome = self._review(intent_id)
            current.set_attribute(names.OUTCOME, outcome)
        elapsed = self._process_clock.boottime_seconds() - started
        histogram(names.REVIEW_SECONDS).record(elapsed, outcome=outcome)
        return outcome

    def _refresh_snapshot(self, intent_id: UUID) -> None:
        """Ask for a fresh snapshot when the stored one is old; outside the transaction, to wait."""
        if self._refresher is None:
            return
        found = self._records.snapshot_age(intent_id)
        if found is None:
            return
        account, age = found
        if age is not None and age <= self._limits.snapshot_age_seconds_max * REFRESH_AT_AGE_RATIO:
            return
        try:
            self._refresher.refresh(account)
        except UnavailableError as error:
            _log.warning("the snapshot was not refreshed", account=account, error=str(error))

    def _review(self, intent_id: UUID) -> str:
        with self._records.open(intent_id) as opened:
            if opened is None:
                return "nothing"
            facts = opened.facts
            with bind_ids(account=facts.account, session=facts.session, symbol=facts.symbol):
                outcome, verdict = self._judge(opened)
            self._faults.reach("risk.review.before_commit")
        self._faults.reach("risk.review.after_commit")
        self._tell(facts, outcome, verdict)
        return outcome

    def _judge(self, opened: OpenReview) -> tuple[str, Verdict | None]:
        facts = opened.facts
        now = self._market_now(facts.session)
        if now is not None and now.at >= facts.expires_market_at:
            opened.expire(f"its validity ended at {facts.expires_market_at.isoformat()}")
            return "expired", None
        verdict = review(self._inputs(facts, now), self._limits, self._controls)
        market_at = None if now is None else now.at
        if not verdict.approved:
            opened.reject(verdict, limits_hash=self._limits_hash, market_at=market_at)
            return "rejected", verdict
        opened.approve(
            verdict,
            limits_hash=self._limits_hash,
            reserve=cash_needed(facts.order),
            market_at=market_at,
            traceparent=current_traceparent(),
        )
        return "approved", verdict

    def _market_now(self, session: str) -> MarketNow | None:
        # Read after the locks are held: waiting for them must count into every age.
        time = self._clocks.of(session).market_time()
        if time is None:
            return None
        return MarketNow(at=time.at, observed_age_seconds=time.observed_age_seconds)

    def _inputs(self, facts: StoredFacts, now: MarketNow | None) -> ReviewInputs:
        calendar, day = (None, None) if now is None else self._sessions.around(now.at)
        return ReviewInputs(
            order=facts.order,
            trading_state=facts.trading_state,
            quote=facts.quote,
            market_now=now,
            portfolio=facts.portfolio,
            portfolio_age_seconds=facts.portfolio_age_seconds,
            commitments=facts.commitments,
            calendar=calendar,
            exchange_day=day,
        )

    def _tell(self, facts: StoredFacts, outcome: str, verdict: Verdict | None) -> None:
        refusals = () if verdict is None else verdict.refusals
        first = refusals[0].code if refusals else ""
        counter(names.VERDICTS).add(outcome=outcome, code=first)
        counter(names.INTENT_TRANSITIONS).add(state=outcome)
        _log.info(
            f"intent {outcome}",
            intent_id=str(facts.intent_id),
            account=facts.account,
            session=facts.session,
            symbol=facts.symbol,
            codes=[report.code for report in refusals],
        )
