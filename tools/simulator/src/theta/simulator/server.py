"""Starts and stops one simulator: the TWS socket, the control API and the market behind them."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from theta.simulator.clock import SimClock
from theta.simulator.control.http import ControlServer
from theta.simulator.errors import PortError
from theta.simulator.exchange.behaviour import Behaviour
from theta.simulator.exchange.exchange import Exchange
from theta.simulator.exchange.store import Store
from theta.simulator.gateway.gateway import Gateway
from theta.simulator.gateway.session import Session
from theta.simulator.market import calendar
from theta.simulator.market.sources import Recorded, open_market
from theta.simulator.scenarios import opening
from theta.simulator.scenarios.scenario import Scenario

_LOG = logging.getLogger("theta.simulator")


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a scenario. Port 0 takes a free one; ``state`` ``None`` keeps everything in
    memory.

    ``speed`` is market seconds per second, infinite for as fast as possible. ``fault_seed``
    replaces the seed of the scenario's schedule of faults, and makes one where it has none.
    ``today`` (epoch seconds) moves every date so that the first session is on the machine's date
    then, whatever day that is; the clock starts at that instant where it is in session, else at
    the scenario's time of day.
    """

    scenario: Scenario
    seed: int = 1
    speed: float = 1.0
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    state: Path | None = None
    fault_seed: int | None = None
    today: float | None = None


class Simulator:
    """One running simulator. ``start`` and ``stop`` belong to the event loop it runs on."""

    def __init__(self, options: Options) -> None:
        self.port = 0
        self.control_port = 0
        self._options = options
        self._servers: list[asyncio.Server] = []
        self._beat: asyncio.Task[None] | None = None
        self._store: Store | None = None
        self._gateway: Gateway | None = None

    async def start(self) -> None:
        """Open the state and both ports. Raises ``PortError`` or ``StateError``."""
        options = self._options
        self._store = Store(options.state)
        try:
            gateway = build(options, self._store)
            self._gateway = gateway
            loop = asyncio.get_running_loop()
            self.port = await self._listen(
                options.port,
                lambda port: loop.create_server(lambda: Session(gateway), options.host, port),
            )
            control = ControlServer(gateway)
            # The control API can move money and time: it never leaves this machine.
            self.control_port = await self._listen(
                options.control_port,
                lambda port: asyncio.start_server(control.serve, "127.0.0.1", port),
            )
        except BaseException:
            await self.stop()
            raise
        self._beat = asyncio.create_task(gateway.run())

    async def _listen(self, port: int, opener: Callable[[int], Awaitable[asyncio.Server]]) -> int:
        try:
            server = await opener(port)
        except OSError as error:
            raise PortError(
                f"Port {port} cannot be used ({error.strerror}): stop what listens there or give"
                " another port, 0 for a free one."
            ) from None
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close everything and save the clock. Safe to call twice."""
        if self._beat is not None:
            self._beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beat
            self._beat = None
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._gateway is not None:
            self._gateway.closed = True
            for session in self._gateway.connections():
                session.drop()
            # What a fault changed for a while must not stay in the state file.
            self._gateway.faults.clear()
            self._gateway.exchange.save_clock()
            self._gateway = None
        await asyncio.sleep(0)
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def gateway(self) -> Gateway:
        """The gateway of a started simulator."""
        assert self._gateway is not None
        return self._gateway

    async def wait_failed(self) -> None:
        """Return only by raising: when the simulation itself breaks."""
        assert self._beat is not None
        await self._beat


def _identity(options: Options) -> dict[str, Any]:
    """What a state file belongs to: the same account, seed and market."""
    scenario = options.scenario
    identity: dict[str, Any] = {
        "account": scenario.accounts[0].name,
        "seed": options.seed,
        "symbols": scenario.symbols,
    }
    others = [repr(s) for s in scenario.sources if not isinstance(s, Recorded)]
    if others:
        identity["sources"] = others
    if len(scenario.accounts) > 1:
        identity["accounts"] = [account.name for account in scenario.accounts]
    return identity


def _beginning(options: Options, store: Store) -> tuple[float, date | None]:
    """When the market starts and, if dates are moved, the day of its first session.

    A state file keeps what it began with.
    """
    known = store.load("beginning").get("all")
    if known is None:
        start, day = options.scenario.start, None
        if options.today is not None:
            # The date is the machine's own: programs count days to expiry by it.
            today = datetime.fromtimestamp(options.today, UTC).astimezone().date()
            start, day = _first_instant(options.scenario.start, options.today, today), str(today)
        known = {"start": start, "first_day": day}
        store.write([("beginning", "all", known)])
    if known["first_day"] is None:
        return known["start"], None
    first_day = date.fromisoformat(known["first_day"])
    # Whoever tries it on a Sunday wants a market, too.
    calendar.add_session(first_day)
    return known["start"], first_day


def _first_instant(written: float, now: float, today: date) -> float:
    """The machine's time where ``today`` is in session then, else the scenario's time of day."""
    calendar.add_session(today)
    opens, closes = calendar.session(today) or (now, now)
    if opens <= now < closes:
        return now
    of_day = calendar.new_york(written).time()
    return datetime.combine(today, of_day, calendar.NEW_YORK).timestamp()


def build(options: Options, store: Store) -> Gateway:
    """The gateway of a scenario over the state in ``store``; needs a running event loop."""
    store.belong_to(_identity(options))
    scenario = options.scenario
    start, first_day = _beginning(options, store)
    market = open_market(
        options.seed,
        scenario.sources,
        yearly_vol=scenario.yearly_volatility,
        first_day=first_day,
        start=start,
        rate=scenario.rate,
    )
    market.events.add(opening.actions(scenario, start))
    behaviour = Behaviour(
        seed=options.seed,
        polite=scenario.polite,
        ack_ms=scenario.ack_ms,
        tick_ms=scenario.tick_ms,
        fill_probability=scenario.fill_probability,
        hazard_seconds=scenario.hazard_seconds,
        pacing=scenario.pacing,
        read_only=scenario.read_only,
        master_client_id=scenario.master_client_id,
        early_assignment=scenario.early_assignment,
        commission_plan=scenario.commission_plan,
    )
    accounts = [opening.account(scenario, plan, market, start) for plan in scenario.accounts]
    flat_out = math.isinf(options.speed)
    speed = 1.0 if flat_out else options.speed
    stored = store.load("clock").get("all")
    clock = (
        SimClock.restore(stored, speed, flat_out=flat_out)
        if stored
        else SimClock(start, speed, flat_out=flat_out)
    )
    for symbol, body in store.load("shift").items():
        market.shifts.restore(symbol, body)
    exchange = Exchange(market, accounts, clock, store, behaviour, time.time)
    exchange.save_clock()
    schedule = opening.schedule(scenario, start, options.seed, options.fault_seed)
    if stored:
        schedule.resume(clock.now())
    return Gateway(exchange, behaviour, scenario.limits, schedule)
