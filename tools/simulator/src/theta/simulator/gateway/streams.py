"""What a gateway sends of its own accord: ticks, bars, profit and loss, account refreshes."""

from collections import deque
from typing import TYPE_CHECKING

from theta.simulator.gateway import account_messages, by_tick, history_requests, profits, ticks

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway
    from theta.simulator.gateway.session import Session
    from theta.simulator.gateway.subscriptions import Line

_SECOND = 1.0
_LINES_AT_ONCE = 64


class Streams:
    """Keeps every subscription of a gateway moving. ``beat`` does nothing where nobody is
    subscribed."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        now = gateway.loop_time()
        self._moving: deque[tuple[Session, Line]] = deque()
        self.trades = profits.DayTrades(gateway)
        self._quoted = self._second = self._refreshed = now

    def beat(self) -> None:
        """Send what is due by now. Called a few times a second."""
        gateway = self._gateway
        if not gateway.sessions:
            return
        limits, now = gateway.limits, gateway.loop_time()
        # A beat that comes a moment early must not wait for the next one.
        if now - self._quoted >= limits.quote_interval_seconds * 0.9:
            self._quoted = now
            by_tick.stream(gateway)
            if not self._moving:
                self._moving.extend(ticks.moving(gateway))
                self._send_slice()
        sessions = [session for session in gateway.sessions.values() if not session.frozen]
        if now - self._second >= _SECOND * 0.9:
            self._second = now
            for session in sessions:
                self._each_second(session)
        if now - self._refreshed >= limits.account_refresh_seconds:
            self._refreshed = now
            for session in [] if gateway.faults.upstream_lost else sessions:
                account_messages.refresh(gateway, session)

    def _send_slice(self) -> None:
        """A few lines at a time, so that thousands of them do not hold up anybody's requests. A
        round that takes longer than the interval delays the next one."""
        some = [self._moving.popleft() for _ in range(min(_LINES_AT_ONCE, len(self._moving)))]
        ticks.send(self._gateway, some)
        if self._moving:
            self._gateway.after(0.0, self._send_slice)

    def _each_second(self, session: "Session") -> None:
        gateway, subscriptions = self._gateway, session.subscriptions
        if subscriptions.profits and not gateway.faults.upstream_lost:
            profits.send_changed(gateway, session)
        if gateway.faults.silent:
            return
        if subscriptions.live_bars:
            history_requests.stream_live(gateway, session)
        if subscriptions.kept_bars:
            history_requests.stream_kept(gateway, session)
