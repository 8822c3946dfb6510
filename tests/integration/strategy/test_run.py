"""A run against a real database: once, all or nothing, never past a halt, never doubled."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.integration.strategy.conftest import ACCOUNT, House
from theta.common.domain.orders import TradingState
from theta.common.postgres.engine import transaction
from theta.common.postgres.gate import lift, tighten
from theta.common.postgres.journal import read_heads, read_rows, verify
from theta.strategy.use_cases.run_strategy import RunEnd

ORDERS = "select symbol, state, quantity, limit_price from order_intent order by symbol"


class Killed(BaseException):
    """Stands for SIGKILL at a fault point: nothing after it runs."""


class KillAt:
    def __init__(self, point: str) -> None:
        self._point = point

    def reach(self, name: str) -> None:
        if name == self._point:
            raise Killed


def halt(house: House, *, scope: str = "account", key: str = ACCOUNT) -> None:
    with transaction(house.owner) as connection:
        tighten(
            connection,
            account=ACCOUNT,
            scope=scope,  # type: ignore[arg-type]  # one of the literals
            scope_key=key,
            state=TradingState.HALTED,
            cause="operator",
            reason="test",
            actor="anna",
        )


def resume(house: House) -> None:
    with transaction(house.owner) as connection:
        lift(
            connection,
            account=ACCOUNT,
            scope="account",
            scope_key=ACCOUNT,
            cause=None,
            reason="test",
            actor="anna",
        )


def test_a_run_writes_decisions_intents_and_review_jobs_at_once(house: House) -> None:
    run_id = house.claim_run()
    assert house.run_strategy().run(run_id) is RunEnd.FINISHED
    orders = house.rows(ORDERS)
    assert [row.symbol for row in orders] == ["IWM", "QQQ", "SPY"]
    assert {row.state for row in orders} == {"proposed"}
    assert house.value("select count(*) from decision where run_id = :run", run=run_id) == 3
    jobs = house.rows("select queue, job_name, subject_id from outbox order by id")
    intents = {str(row.id) for row in house.rows("select id from order_intent")}
    assert {(job.queue, job.job_name) for job in jobs} == {("risk", "risk.review")}
    assert {job.subject_id for job in jobs} == intents
    with transaction(house.owner) as connection:
        report = verify(read_rows(connection), read_heads(connection))
    assert report.intact
    run = house.rows("select status, summary, config_hash from strategy_run")[0]
    assert (run.status, run.summary["intents"], len(run.config_hash)) == ("finished", 3, 64)


def test_a_symbol_costs_at_most_six_option_quotes(house: House) -> None:
    house.run_strategy().run(house.claim_run())
    for symbol in ("SPY", "QQQ", "IWM"):
        options = [one for one in house.gateway.asked if one.symbol == symbol and one.right]
        assert 0 < len(options) <= 6


def test_a_finished_run_does_nothing_again(house: House) -> None:
    run_id = house.claim_run()
    house.run_strategy().run(run_id)
    asked = len(house.gateway.requests)
    assert house.run_strategy().run(run_id) is RunEnd.NOT_STARTED
    assert len(house.gateway.requests) == asked
    assert len(house.rows(ORDERS)) == 3


def test_what_one_run_proposed_counts_in_the_next(house: House) -> None:
    house.run_strategy().run(house.claim_run("test:1"))
    house.run_strategy().run(house.claim_run("test:2"))
    per_symbol = house.rows("select symbol, sum(quantity) as n from order_intent group by symbol")
    # 400,000 × 0.9 × 0.4 / 767.62 is 187 shares of SPY: one put of 100 fits, two do not.
    assert {row.symbol: row.n for row in per_symbol}["SPY"] == 1


@pytest.mark.parametrize("point", ["strategy.run.before_commit", "strategy.run.after_commit"])
def test_a_kill_around_the_commit_neither_loses_nor_doubles(house: House, point: str) -> None:
    run_id = house.claim_run()
    with pytest.raises(Killed):
        house.run_strategy(KillAt(point)).run(run_id)
    before = len(house.rows(ORDERS))
    assert before == (0 if point.endswith("before_commit") else 3)
    house.write("update lease set expires_at = clock_timestamp() - interval '1 s'")
    house.run_strategy().run(run_id)
    assert len(house.rows(ORDERS)) == 3
    assert house.value("select count(*) from decision") == 3


def test_two_runs_of_an_account_cannot_both_decide(house: House) -> None:
    first, second = house.claim_run("test:1"), house.claim_run("test:2")
    ends = []
    house.gateway.before = lambda path: (
        ends.append(house.run_strategy().run(second)) if path == "chains/SPY" else None
    )
    assert house.run_strategy().run(first) is RunEnd.FINISHED
    assert ends == [RunEnd.NOT_STARTED]
    assert house.value("select status from strategy_run where id = :id", id=second) == "claimed"


@pytest.mark.parametrize("lifted", [False, True])
def test_a_halt_during_the_run_withdraws_its_openings(house: House, lifted: bool) -> None:
    done: list[str] = []

    def during(path: str) -> None:
        if path == "chains/SPY" and not done:
            done.append(path)
            halt(house)
            if lifted:
                resume(house)

    house.gateway.before = during
    house.run_strategy().run(house.claim_run())
    assert {row.state for row in house.rows(ORDERS)} == {"withdrawn"}
    assert house.value("select count(*) from outbox where job_name = 'risk.review'") == 0


def test_a_halt_of_one_symbol_during_the_run_withdraws_it_alone(house: House) -> None:
    done: list[str] = []

    def during(path: str) -> None:
        if path == "chains/SPY" and not done:
            done.append(path)
            halt(house, scope="symbol", key="QQQ")

    house.gateway.before = during
    house.run_strategy().run(house.claim_run())
    states = {row.symbol: row.state for row in house.rows(ORDERS)}
    assert states == {"SPY": "proposed", "QQQ": "withdrawn", "IWM": "proposed"}


def test_a_halted_account_gets_decisions_and_asks_for_no_quotes(house: House) -> None:
    halt(house)
    house.run_strategy().run(house.claim_run())
    codes = house.rows("select rationale->'reasons'->0->>'code' as code from decision")
    assert [row.code for row in codes] == ["trading_state"] * 3
    assert house.gateway.asked == []


def test_w10_a_symbol_without_quote_or_chain_stops_no_other(house: House) -> None:
    house.gateway.unquoted.add("SPY")
    house.gateway.chainless.add("QQQ")
    house.run_strategy().run(house.claim_run())
    codes = {
        row.symbol: row.code
        for row in house.rows(
            "select symbol, rationale->'reasons'->0->>'code' as code from decision"
        )
    }
    assert codes == {
        "SPY": "underlying_unquoted",
        "QQQ": "chain_unknown",
        "IWM": "put_proposed",
    }


def test_an_unavailable_gateway_fails_the_run_on_its_third_attempt_and_tells(house: House) -> None:
    house.gateway.down = True
    run_id = house.claim_run()
    ends = [house.run_strategy().run(run_id) for _ in range(3)]
    assert ends == [RunEnd.RETRIED, RunEnd.RETRIED, RunEnd.FAILED]
    run = house.rows("select status, error, attempts from strategy_run")[0]
    assert (run.status, run.attempts) == ("failed", 3)
    assert "not connected to the broker" in run.error
    assert house.rows("select kind from alert") == [("run.failed",)]
    assert house.value("select count(*) from outbox where job_name = 'alerts.deliver'") == 1


def test_a_run_that_waited_too_long_is_missed_not_run_late(house: House) -> None:
    run_id = house.claim_run()
    house.write("update strategy_run set claimed_at = clock_timestamp() - interval '1 hour'")
    assert house.run_strategy().run(run_id) is RunEnd.NOT_STARTED
    assert house.value("select status from strategy_run") == "missed"
    assert house.rows("select kind from alert") == [("run.missed",)]


def test_an_unknown_run_is_left_alone(house: House) -> None:
    assert house.run_strategy().run(uuid4()) is RunEnd.NOT_STARTED
    assert house.gateway.requests == []


def test_stale_market_time_decides_nothing(house: House) -> None:
    house.write("update broker_session set observed_at = clock_timestamp() - interval '1 min'")
    assert house.run_strategy().run(house.claim_run()) is RunEnd.RETRIED
    assert house.rows(ORDERS) == []
