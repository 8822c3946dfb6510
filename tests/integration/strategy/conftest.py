"""A strategy on a real database, a real Redis and a gateway that answers over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, insert, text

from tests.support.fake_gateway import TOKEN, FakeGateway, serving
from tests.support.servers import Database
from tests.support.wheel_market import NOW, example_config, example_policy
from theta.common.adapters import NoFaults, RandomIds, SystemClock
from theta.common.config.thetagang import config_hash
from theta.common.domain.orders import TradingState
from theta.common.market_calendar import session_calendar
from theta.common.ports import FaultPoints
from theta.common.postgres.clock import DatabaseMarketClock
from theta.common.postgres.engine import make_engine, transaction
from theta.common.postgres.gate import create_gate
from theta.common.postgres.tables import broker_account, broker_session, strategy_run
from theta.strategy.adapters.gateway_http import GatewayHttp
from theta.strategy.adapters.records import PostgresRuns
from theta.strategy.use_cases.gather import Gather
from theta.strategy.use_cases.run_strategy import RunStrategy

ACCOUNT = "DU1234567"
SESSION = "main"


@dataclass
class House:
    """The records of one account, and the strategy's own connection to them."""

    database: Database
    owner: Engine
    strategy: Engine
    gateway: FakeGateway
    market: GatewayHttp

    def rows(self, query: str, **values: Any) -> list[Any]:
        with transaction(self.owner) as connection:
            return list(connection.execute(text(query), values))

    def value(self, query: str, **values: Any) -> Any:
        return self.rows(query, **values)[0][0]

    def write(self, query: str, **values: Any) -> None:
        with transaction(self.owner) as connection:
            connection.execute(text(query), values)

    def claim_run(self, slot: str = "test:1") -> UUID:
        run_id = uuid4()
        with transaction(self.owner) as connection:
            connection.execute(
                insert(strategy_run).values(
                    id=run_id, account=ACCOUNT, slot=slot, trigger="api", actor="anna"
                )
            )
        return run_id

    def runs(self) -> PostgresRuns:
        return PostgresRuns(
            self.strategy,
            account=ACCOUNT,
            session=SESSION,
            config_hash=config_hash(example_config()),
            ids=RandomIds(),
        )

    def run_strategy(self, faults: FaultPoints | None = None) -> RunStrategy:
        clock, policy = SystemClock(), example_policy()
        market_clock = DatabaseMarketClock(self.strategy, SESSION, clock)
        return RunStrategy(
            records=self.runs(),
            gather=Gather(
                market=self.market,
                market_clock=market_clock,
                calendar=session_calendar("XNYS", first_year=2026, last_year=2026),
                policy=policy,
            ),
            market_clock=market_clock,
            clock=clock,
            faults=faults or NoFaults(),
            policy=policy,
            stopping=lambda: False,
        )


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    """Yield an account with an open gate and a market clock that was just seen."""
    owner = make_engine(database.superuser_url, application_name="test")
    strategy = make_engine(database.url_for("theta_strategy"), application_name="strategy")
    with transaction(owner) as connection:
        connection.execute(insert(broker_account).values(account=ACCOUNT, session=SESSION))
        connection.execute(
            insert(broker_session).values(
                session=SESSION,
                account=ACCOUNT,
                client_id=17,
                market_at=NOW,
                observed_at=text("clock_timestamp() + interval '1 hour'"),
                market_rate=1,
            )
        )
        create_gate(
            connection,
            account=ACCOUNT,
            state=TradingState.ACTIVE,
            cause="test",
            reason="opened for a test",
            actor="test",
        )
    with (
        serving(FakeGateway(engine=owner)) as gateway,
        GatewayHttp(gateway.url, SecretStr(TOKEN)) as market,
    ):
        yield House(
            database=database, owner=owner, strategy=strategy, gateway=gateway, market=market
        )
    owner.dispose()
    strategy.dispose()
