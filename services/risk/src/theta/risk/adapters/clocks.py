"""Market time of each broker session, as the gateway publishes it."""

from __future__ import annotations

from sqlalchemy import Engine

from theta.common.ports import MarketClock, ProcessClock
from theta.common.postgres.clock import DatabaseMarketClock


class SessionClocks:
    """One clock for each session that an intent named."""

    def __init__(self, engine: Engine, process_clock: ProcessClock) -> None:
        self._engine = engine
        self._process_clock = process_clock
        self._clocks: dict[str, DatabaseMarketClock] = {}

    def of(self, session: str) -> MarketClock:
        if session not in self._clocks:
            self._clocks[session] = DatabaseMarketClock(self._engine, session, self._process_clock)
        return self._clocks[session]
