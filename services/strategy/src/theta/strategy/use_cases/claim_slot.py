"""Slots of the schedule: claimed once each, at their time, never made up for later."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from theta.common.domain.calendar import SessionCalendar
from theta.common.ports import MarketClock
from theta.common.telemetry.logs import get_logger
from theta.strategy.domain.slots import due_slots
from theta.strategy.ports import SlotRecords

MARKET_TIME_AGE_SECONDS_MAX = 5.0
LATE_MAX = timedelta(minutes=15)
"""Market time after which a slot is missed: a run then would decide on another market."""
LOOK_BACK_MAX = timedelta(days=7)

_log = get_logger(__name__)


class ClaimSlots:
    """Claims the due slots of one account."""

    def __init__(
        self,
        *,
        records: SlotRecords,
        market_clock: MarketClock,
        calendar: SessionCalendar,
        zone: ZoneInfo,
        account: str,
        times: tuple[time, ...],
    ) -> None:
        self._records = records
        self._market_clock = market_clock
        self._calendar = calendar
        self._zone = zone
        self._account = account
        self._times = times
        self._done_until: datetime | None = None

    def claim(self) -> int:
        """Claim every slot that is due; return how many were claimed or recorded as missed.

        Does nothing while market time is unknown or older than 5 s: the slot stays due, and is
        missed if that lasts. Raises UnavailableError when the database is away.
        """
        seen = self._market_clock.market_time()
        if seen is None or seen.observed_age_seconds > MARKET_TIME_AGE_SECONDS_MAX:
            return 0
        since = self._since(seen.at)
        claimed = 0
        for slot in due_slots(self._calendar, self._times, self._zone, since=since, until=seen.at):
            missed = seen.at - slot.at > LATE_MAX
            run_id = self._records.claim(
                account=self._account, slot=slot.name, market_at=seen.at, missed=missed
            )
            if run_id is not None:
                claimed += 1
                _log.info("slot claimed", slot=slot.name, missed=missed, run_id=str(run_id))
        self._done_until = seen.at
        return claimed

    def _since(self, now: datetime) -> datetime:
        """Return the time after which slots may be due.

        Without any slot on record this is a new installation: what passed before is nobody's miss.
        """
        if self._done_until is not None and self._done_until <= now:
            return self._done_until
        newest = self._records.newest_slot(self._account)
        if newest is None:
            return now - LATE_MAX
        last = datetime.fromisoformat(newest).replace(tzinfo=self._zone)
        return max(min(last, now), now - LOOK_BACK_MAX)
