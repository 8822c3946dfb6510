"""The process as a whole: starting, placing, being killed, being found again."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from tests.integration.gateway.conftest import Service, free_port
from tests.integration.gateway.places import approve, intent_state, only_child, put, rows
from tests.integration.gateway_adapter.harness import Simulator
from tests.support.eventually import eventually
from theta.common.postgres.tables import alert, broker_command, outbox, strategy_run, trading_gate

pytestmark = pytest.mark.slow
"""Whole processes: `make e2e` runs them."""


def account_of(service: Service) -> str:
    return str(service.ask("/v1/status")[1]["connection"]["accounts"][0])


def test_an_approved_intent_becomes_one_order_at_the_broker(
    service: Service, simulator: Simulator, engine: Engine
) -> None:
    service.start_ready()
    intent_id = approve(engine, account=account_of(service), price="50.00")
    service.submit(intent_id)
    eventually(lambda: intent_state(engine, intent_id) == "working")
    child = only_child(engine, intent_id)
    orders = [o for o in simulator.truth()["orders"] if o["order_ref"] == child.order_ref]
    assert len(orders) == 1
    assert child.perm_id == orders[0]["perm_id"]


def test_killed_after_the_write_the_order_is_found_again_and_not_repeated(
    service: Service, simulator: Simulator, engine: Engine
) -> None:
    service.fault_file.write_text('{"gateway.send.after_write": {"action": "kill"}}')
    service.start_ready()
    intent_id = approve(engine, account=account_of(service), price="50.00")
    service.submit(intent_id)
    assert service.process is not None
    service.process.wait()
    assert intent_state(engine, intent_id) == "submitting"
    service.start_ready()
    eventually(lambda: intent_state(engine, intent_id) == "working", 15)
    child = only_child(engine, intent_id)
    orders = [o for o in simulator.truth()["orders"] if o["order_ref"] == child.order_ref]
    assert len(orders) == 1
    assert rows(engine, trading_gate)[0].state == "active"


def test_killed_before_the_write_the_order_is_judged_absent(
    service: Service, simulator: Simulator, engine: Engine
) -> None:
    service.fault_file.write_text('{"gateway.claim.after_commit": {"action": "kill"}}')
    service.start_ready()
    intent_id = approve(engine, account=account_of(service), price="50.00")
    service.submit(intent_id)
    assert service.process is not None
    service.process.wait()
    service.start_ready()
    eventually(lambda: intent_state(engine, intent_id) == "absent", 20)
    assert simulator.truth()["orders"] == []


def test_an_operator_gives_a_working_order_another_price(
    service: Service, simulator: Simulator, engine: Engine
) -> None:
    service.start_ready()
    intent_id = approve(
        engine, account=account_of(service), price="50.00", floor="48.00", ceiling="52.00"
    )
    service.submit(intent_id)
    eventually(lambda: intent_state(engine, intent_id) == "working")
    path = f"/v1/intents/{intent_id}/modify"
    status, body = service.ask(path, {"limit_price": "49.50", "reason": "nearer"})
    assert (status, body["outcome"]) == (202, "sent")
    eventually(lambda: only_child(engine, intent_id).limit_price == Decimal("49.50"))
    ref = only_child(engine, intent_id).order_ref
    orders = [o for o in simulator.truth()["orders"] if o["order_ref"] == ref]
    assert [Decimal(str(o["limit"])) for o in orders] == [Decimal("49.50")]
    status, problem = service.ask(path, {"limit_price": "47.99"})
    assert (status, problem["code"]) == (409, "not_modified")
    assert "price_outside_bounds" in problem["detail"]
    assert service.ask(path, {"limit_price": "x"})[0] == 422
    assert service.ask(path, {"limit_price": "49"}, role="viewer")[0] == 403
    assert service.ask(f"/v1/intents/{uuid4()}/modify", {"limit_price": "49"})[0] == 409


def test_a_halt_cancels_working_orders_and_lets_nothing_more_out(
    service: Service, simulator: Simulator, engine: Engine
) -> None:
    service.start_ready()
    account = account_of(service)
    first = approve(engine, account=account, price="50.00")
    service.submit(first)
    eventually(lambda: intent_state(engine, first) == "working")
    second = approve(engine, account=account, price="50.00", contract=put(strike="735"))
    status, body = service.ask("/v1/halt", {"reason": "a drill"})
    assert (status, body["committed"], body["cancels"]) == (200, True, 1)
    assert intent_state(engine, second) == "withdrawn"
    eventually(lambda: intent_state(engine, first) == "cancelled")
    third = approve(engine, account=account, price="50.00", contract=put(strike="730"))
    refused = service.submit(third)
    eventually(lambda: service.is_worked(refused))
    assert intent_state(engine, third) == "approved"
    assert only_child(engine, third) is None
    assert len(simulator.truth()["orders"]) == 1, "an order left while trading was halted"
    cancelled = rows(engine, broker_command, broker_command.c.kind == "cancel")
    assert [row.outcome for row in cancelled] == ["sent"]
    assert service.ask("/v1/resume", {"reason": "the drill is over"})[0] == 200
    service.submit(third)
    eventually(lambda: intent_state(engine, third) == "working", 10)
    assert len(simulator.truth()["orders"]) == 2


def test_a_stop_is_clean_and_quick_and_frees_the_lease(service: Service, engine: Engine) -> None:
    service.start_ready()
    assert service.process is not None
    code, seconds = service.process.stop()
    assert code == 0
    assert seconds < 5
    with engine.connect() as connection:
        held = connection.execute(text("select expires_at > clock_timestamp() from lease"))
        assert held.scalar_one() is False


def test_without_a_broker_it_keeps_trying_and_says_so(service: Service, engine: Engine) -> None:
    service.environ["THETA_TWS_PORT"] = str(free_port())
    service.start()
    eventually(lambda: service.status_of("/livez") == 200, 15)
    status, problem = service.ask("/readyz")
    assert status == 503
    assert "TWS" in problem["detail"] or "lease" in problem["detail"]
    eventually(lambda: rows(engine, alert, alert.c.kind == "connection.refused"), 10)


def test_requests_are_refused_with_one_clear_sentence(service: Service) -> None:
    service.start_ready()
    assert service.ask("/v1/status", role=None)[0] == 401
    assert service.ask("/v1/status", role="wrong-token")[0] == 401
    status, problem = service.ask("/v1/halt", {"reason": "x"}, role="viewer")
    assert (status, problem["code"]) == (403, "forbidden")
    status, problem = service.ask("/v1/halt", {"scope": "account"})
    assert status == 422
    assert "reason" in problem["detail"]
    status, problem = service.ask("/v1/halt", {"reason": "x", "scope": "symbol"})
    assert (status, problem["code"]) == (422, "invalid_request")
    assert service.ask(f"/v1/intents/{uuid4()}")[0] == 404
    assert service.ask("/v1/intents?state=nonsense")[0] == 422
    assert service.ask("/v1/market/chains/NOSUCH")[0] == 404


def test_a_run_is_asked_for_once_per_key_and_starts_a_trace(
    service: Service, engine: Engine
) -> None:
    service.start_ready()
    key = {"Idempotency-Key": "one"}
    first = service.ask("/v1/runs", {}, headers=key)
    assert first[0] == 202
    assert service.ask("/v1/runs", {}, headers=key) == first
    runs = rows(engine, strategy_run)
    posted = rows(engine, outbox, outbox.c.job_name == "strategy.run")
    assert [str(run.id) for run in runs] == [first[1]["run_id"]]
    assert runs[0].slot == f"api:{runs[0].id}"
    assert [row.traceparent for row in posted] == [runs[0].traceparent]
    assert runs[0].traceparent.startswith("00-")


def test_market_data_and_portfolio_are_served(service: Service, engine: Engine) -> None:
    service.start_ready()
    account = account_of(service)
    status, chain = service.ask("/v1/market/chains/SPY", role="viewer")
    assert status == 200
    assert chain["expirations"]
    status, clock = service.ask("/v1/market/clock", role="viewer")
    assert (status, clock["rate"]) == (200, 1.0)
    status, bars = service.ask("/v1/market/history/SPY?days=5", role="viewer")
    assert status == 200
    assert len(bars["closes"]) >= 3
    body = {"contracts": [{"symbol": "SPY", "sec_type": "STK"}], "deadline_ms": 3000}
    status, quotes = service.ask("/v1/market/quotes", body, role="viewer")
    assert status == 200
    assert quotes["quotes"][0]["bid"] is not None
    status, portfolio = service.ask(
        f"/v1/portfolio/refresh?account={account}", role="viewer", method="POST"
    )
    assert status == 200
    assert portfolio["complete"] is True
    stored = service.ask(f"/v1/portfolio?account={account}", role="viewer")[1]
    assert stored["snapshot_id"] == portfolio["snapshot_id"]


def test_a_wrong_setting_ends_the_start_with_one_sentence(service: Service) -> None:
    service.environ["THETA_TWS_POTR"] = "4002"
    service.start()
    assert service.process is not None
    assert service.process.wait() == 78
    told = "THETA_TWS_POTR is not a setting of this version: did you mean THETA_TWS_PORT?"
    assert service.process.output().strip().splitlines() == [f"broker-gateway: {told}"]


def test_the_flag_file_halts_and_bars_a_resume(service: Service, engine: Engine) -> None:
    service.start_ready()
    service.flag_file.touch()
    eventually(lambda: rows(engine, trading_gate)[0].state == "halted", 10)
    status, problem = service.ask("/v1/resume", {"reason": "too early"})
    assert (status, problem["code"]) == (409, "halt_flag_file")
    service.flag_file.unlink()
    eventually(lambda: service.ask("/v1/resume", {"reason": "mended"})[0] == 200, 10)
    assert rows(engine, trading_gate)[0].state == "active"
