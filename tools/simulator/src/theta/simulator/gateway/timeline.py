"""Moves the market's time: beat by beat, by jumps and steps, or as fast as this machine can."""

import asyncio
from typing import TYPE_CHECKING, Any

from theta.simulator.faults import catalogue
from theta.simulator.faults.schedule import Event, Schedule
from theta.simulator.market import calendar

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

STEPS = ("event", "second", "minute")

_BEAT_SECONDS = 0.25
_FLAT_OUT_STRIDE = 60.0
_FLAT_OUT_REST = 0.002


class Timeline:
    """What is due is done in the order of its time, whether time flows or jumps."""

    def __init__(self, gateway: "Gateway", schedule: Schedule) -> None:
        self.schedule = schedule
        self._gateway = gateway

    def step(self) -> None:
        """Bring orders, faults and events up to the clock."""
        now = self._gateway.exchange.clock.now()
        self._gateway.exchange.step()
        self._gateway.faults.step(now)
        self.schedule.due(now, self._fire)

    def _fire(self, event: Event) -> dict[str, Any]:
        return catalogue.arm(self._gateway, event.kind, event.values)

    def advance_to(self, target: float) -> None:
        """Jump to market time ``target``, stopping at every event before it."""
        clock = self._gateway.exchange.clock
        while True:
            due = [at for at in (self.schedule.next_at(), self._gateway.faults.next_end()) if at]
            if not due or min(due) > target:
                break
            clock.jump_to(max(clock.now(), min(due)))
            self.step()
        clock.jump_to(max(clock.now(), target))
        self.step()

    def next_stop(self) -> float:
        """Market time of what happens next: an event, the end of a fault, the market's opening or
        close, or midnight."""
        now = self._gateway.exchange.clock.now()
        opens, closes = calendar.next_session(now)
        stops = [opens, closes, calendar.next_midnight(now), self.schedule.next_at()]
        stops.append(self._gateway.faults.next_end())
        return min(at for at in stops if at is not None and at > now)

    def step_to(self, step: str) -> None:
        """Go on to the next event, second or minute."""
        now = self._gateway.exchange.clock.now()
        if step == "event":
            target = self.next_stop()
        else:
            size = 60.0 if step == "minute" else 1.0
            target = (now // size + 1) * size
        self.advance_to(target)

    async def run(self) -> None:
        """Keep orders, ticks, events and account pushes moving until cancelled."""
        gateway = self._gateway
        clock = gateway.exchange.clock
        spoken = gateway.loop_time()
        beat = 0
        while True:
            await asyncio.sleep(_FLAT_OUT_REST if clock.flat_out else _BEAT_SECONDS)
            if clock.flat_out and not clock.paused:
                self._stride()
            else:
                self.step()
            if gateway.loop_time() - spoken < _BEAT_SECONDS * 0.9:
                continue
            spoken = gateway.loop_time()
            beat += 1
            gateway.streams.beat()
            if beat % 40 == 0:
                gateway.exchange.save_clock()

    def _stride(self) -> None:
        """A minute of open market; a closed one is passed over up to the next stop."""
        now = self._gateway.exchange.clock.now()
        target = now + _FLAT_OUT_STRIDE
        if not calendar.is_open(now):
            target = max(target, self.next_stop())
        self.advance_to(target)
