"""Wires the service: the only module that knows every part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from theta.common.adapters import RandomIds, SystemClock
from theta.common.config.thetagang import (
    ThetagangConfig,
    config_hash,
    load_config,
    redacted,
)
from theta.common.domain.calendar import SessionCalendar
from theta.common.market_calendar import EXCHANGE_ZONE, session_calendar
from theta.common.postgres.clock import DatabaseMarketClock
from theta.common.postgres.engine import Engine
from theta.common.postgres.startup import Heartbeat, open_database
from theta.common.process import fault_points, instance_name
from theta.common.redis.connection import connect
from theta.common.redis.worker import HandlerWorker
from theta.strategy.adapters.gateway_http import GatewayHttp
from theta.strategy.adapters.leadership import PostgresLeadership
from theta.strategy.adapters.outbox import PostgresOutbox, PostgresWakeups
from theta.strategy.adapters.records import PostgresRuns
from theta.strategy.adapters.redis_queue import RedisQueue
from theta.strategy.adapters.schedule_records import (
    RUN_JOB,
    RUN_QUEUE,
    PostgresSlots,
)
from theta.strategy.adapters.unfinished import PostgresUnfinished
from theta.strategy.entrypoints.jobs import run_handler
from theta.strategy.entrypoints.schedule import Schedule
from theta.strategy.settings import StrategySettings, WorkerSettings
from theta.strategy.use_cases.claim_slot import ClaimSlots
from theta.strategy.use_cases.gather import Gather
from theta.strategy.use_cases.read_policy import policy_from
from theta.strategy.use_cases.relay_outbox import RelayOutbox
from theta.strategy.use_cases.run_strategy import RunStrategy
from theta.strategy.use_cases.sweep_unfinished import SweepUnfinished

CALENDAR_FIRST_YEAR, CALENDAR_LAST_YEAR = 2020, 2035
ACTOR = "strategy"


@contextmanager
def wired_worker(
    settings: WorkerSettings, *, stopping: Callable[[], bool]
) -> Iterator[HandlerWorker]:
    """Yield the wired worker, heart beating; close its connections afterwards.

    Raises ConfigError or UnavailableError when the service cannot start.
    """
    config = load_config(settings.config)
    faults = fault_points(settings.fault_file, stage=config.rollout.stage)
    account, clock, ids = config.runtime.account.number, SystemClock(), RandomIds()
    policy = policy_from(config)
    calendar = _calendar(config)
    with ExitStack() as stack:
        engine = _engine(settings, "strategy", stack)
        market_clock = DatabaseMarketClock(engine, settings.session, clock)
        gateway = stack.enter_context(GatewayHttp(settings.gateway_url, settings.api_token))
        records = PostgresRuns(
            engine,
            account=account,
            session=settings.session,
            config_hash=config_hash(config),
            ids=ids,
        )
        records.store_config(redacted(config), ACTOR)
        strategy = RunStrategy(
            records=records,
            gather=Gather(
                market=gateway, market_clock=market_clock, calendar=calendar, policy=policy
            ),
            market_clock=market_clock,
            clock=clock,
            faults=faults,
            policy=policy,
            stopping=stopping,
        )
        client = stack.enter_context(connect(settings.redis_url.get_secret_value(), check=False))
        worker = HandlerWorker(
            client,
            queue_name=RUN_QUEUE,
            handlers={RUN_JOB: run_handler(strategy)},
            clock=clock,
        )
        _beat(engine, "strategy", stack)
        yield worker


@contextmanager
def wired_schedule(settings: StrategySettings) -> Iterator[Schedule]:
    """Yield the wired schedule (slots, relay, sweeper); close its connections afterwards.

    Raises ConfigError or UnavailableError when the service cannot start.
    """
    config = load_config(settings.config)
    faults = fault_points(settings.fault_file, stage=config.rollout.stage)
    clock, ids = SystemClock(), RandomIds()
    calendar = _calendar(config)
    with ExitStack() as stack:
        engine = _engine(settings, "schedule", stack)
        market_clock = DatabaseMarketClock(engine, settings.session, clock)
        client = stack.enter_context(connect(settings.redis_url.get_secret_value(), check=False))
        wakeups = PostgresWakeups(settings.database_url.get_secret_value())
        stack.callback(wakeups.close)
        _beat(engine, "schedule", stack)
        yield Schedule(
            leadership=PostgresLeadership(engine, holder=instance_name()),
            claim_slots=ClaimSlots(
                records=PostgresSlots(engine, session=settings.session, ids=ids),
                market_clock=market_clock,
                calendar=calendar,
                zone=EXCHANGE_ZONE,
                account=config.runtime.account.number,
                times=config.schedule.slot_times(),
            ),
            relay=RelayOutbox(
                outbox=PostgresOutbox(engine), queue=RedisQueue(client), faults=faults
            ),
            sweep=SweepUnfinished(
                unfinished=PostgresUnfinished(engine),
                market_clock=market_clock,
                age=timedelta(seconds=settings.sweep_age_seconds),
                keep=timedelta(days=settings.outbox_keep_days),
            ),
            wakeups=wakeups,
            clock=clock,
            sweep_interval_seconds=settings.sweep_interval_seconds,
        )


def _engine(settings: StrategySettings, name: str, stack: ExitStack) -> Engine:
    engine = open_database(settings.database_url.get_secret_value(), application_name=name)
    stack.callback(engine.dispose)
    return engine


def _beat(engine: Engine, service: str, stack: ExitStack) -> None:
    heartbeat = Heartbeat(engine, service=service, instance=instance_name())
    heartbeat.start()
    stack.callback(heartbeat.stop)


def _calendar(config: ThetagangConfig) -> SessionCalendar:
    return session_calendar(
        config.runtime.exchange_hours.exchange,
        first_year=CALENDAR_FIRST_YEAR,
        last_year=CALENDAR_LAST_YEAR,
    )
