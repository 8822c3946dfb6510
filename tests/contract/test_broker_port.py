"""What every broker session keeps to: the same tests on the fake and on the real adapter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from tests.integration.gateway_adapter.harness import (
    PATIENT,
    Session,
    SimulatorHere,
    stopped_at_end,
)
from tests.support.eventually import eventually
from tests.support.fake_broker import START, FakeBroker
from theta.broker_gateway.ports import (
    BrokerPort,
    Evidence,
    EvidenceKind,
    OrderToPlace,
    SendRefusedError,
)
from theta.common.contracts.market import ChainMessage, ContractMessage
from theta.common.domain.instruments import Contract, stock
from theta.common.domain.orders import Action
from theta.common.domain.quotes import Quote
from theta.common.errors import UnavailableError

Answer = TypeVar("Answer")
SPY = stock("SPY")
NOPE = stock("NOPE")


class Fake:
    """The fake, driven as the real one is."""

    def __init__(self) -> None:
        self.evidence: list[Evidence] = []
        self.broker = FakeBroker(self.evidence.append)
        self.port: BrokerPort = self.broker
        self.broker.controls.connect(1)
        script = self.broker.script
        script.set_quote(
            Quote(
                contract=SPY, at=None, bid=Decimal("775.80"), ask=Decimal("775.82"),
                bid_size=Decimal(100), ask_size=Decimal(100), last=Decimal("775.81"),
            )
        )  # fmt: skip
        script.chains["SPY"] = ChainMessage(
            underlying=ContractMessage.from_domain(SPY), exchange="SMART", trading_class="SPY",
            multiplier=100, expirations=(date(2026, 8, 21), date(2026, 9, 18)),
            strikes=(Decimal(770), Decimal(775)),
        )  # fmt: skip
        script.closes["SPY"] = [
            (START.replace(day=day), Decimal(770 + day)) for day in (13, 14, 17)
        ]

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run(work)

    def do(self, work: Callable[[], Answer]) -> Answer:
        return work()

    def fill(self, order_ref: str, quantity: int) -> None:
        self.broker.controls.fill(order_ref, quantity, Decimal(700))

    def drop(self) -> None:
        self.broker.controls.disconnect()

    def reconnect(self) -> None:
        self.broker.controls.connect()

    def stop(self) -> None:
        self.broker.controls.disconnect()


class Real:
    """The adapter, over a socket, against the simulator."""

    def __init__(self) -> None:
        self._simulator = SimulatorHere()
        self._session = Session(self._simulator.port, timings=PATIENT)
        self.evidence = self._session.evidence
        self.port: BrokerPort = self._session.port
        self.run = self._session.run
        self.do = self._session.do
        self._session.until_ready()
        # Orders rest until the test fills them.
        self._simulator.fault("tune", fill_probability=0)

    def fill(self, order_ref: str, quantity: int) -> None:
        self._simulator.fault("fill_order", order_ref=order_ref, qty=quantity, price=700)

    def drop(self) -> None:
        self._simulator.fault("drop_connections", refuse_seconds=1)
        eventually(lambda: not self._session.state().connected)

    def reconnect(self) -> None:
        self._session.until_ready(2)

    def stop(self) -> None:
        self._session.stop()
        self._simulator.stop()


Driver = Fake | Real


@pytest.fixture(params=["fake", "ibkr"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    made: Driver = Fake() if request.param == "fake" else Real()
    with stopped_at_end([made]):
        yield made


def _place(
    driver: Driver, order_ref: str, *, quantity: int = 2, price: str = "700", **changes: Any
) -> int:
    """Buy far below the market, drawn and written as one callback; return the order id."""

    def place() -> int:
        state = driver.port.state()
        order_id = driver.port.draw_order_id(state.highest_order_id_seen)
        fields: dict[str, Any] = {
            "order_ref": order_ref, "order_id": order_id, "connection_no": state.connection_no,
            "account": state.accounts[0], "contract": SPY, "action": Action.BUY,
            "quantity": quantity, "limit_price": Decimal(price),
        }  # fmt: skip
        driver.port.write_place(OrderToPlace(**(fields | changes)))
        return order_id

    return driver.do(place)


def _heard(driver: Driver, kind: EvidenceKind, order_ref: str) -> list[Evidence]:
    return [e for e in driver.evidence if e.kind is kind and e.order_ref == order_ref]


def _until_working(driver: Driver, order_ref: str) -> None:
    eventually(
        lambda: any(
            e.perm_id and e.payload["status"] in ("Submitted", "PreSubmitted")
            for e in _heard(driver, EvidenceKind.ORDER_STATUS, order_ref)
        )
    )


def _refs(driver: Driver, kind: str) -> set[str]:
    answer: Any = driver.run(getattr(driver.port, kind)())
    return {each.order_ref for each in answer}


def test_ready_session_names_its_accounts_and_connection(driver: Driver) -> None:
    state = driver.do(driver.port.state)
    assert state.connected
    assert state.fetched
    assert state.broker_link
    assert state.connection_no == 1
    assert len(state.accounts) == 1


def test_drawn_ids_rise_above_the_floor_and_each_other(driver: Driver) -> None:
    first = driver.do(lambda: driver.port.draw_order_id(5_000))
    second = driver.do(lambda: driver.port.draw_order_id(10))
    assert 5_000 < first < second
    assert driver.do(driver.port.state).highest_order_id_seen >= second


def test_placed_order_is_told_and_open(driver: Driver) -> None:
    order_id = _place(driver, "theta-open")
    _until_working(driver, "theta-open")
    assert _heard(driver, EvidenceKind.OPEN_ORDER, "theta-open")
    found = [o for o in driver.run(driver.port.open_orders()) if o.order_ref == "theta-open"]
    assert len(found) == 1
    assert found[0].order_id == order_id
    assert found[0].perm_id
    assert found[0].client_id == driver.do(driver.port.state).client_id
    assert found[0].quantity == 2
    assert found[0].filled == 0
    assert found[0].remaining == 2
    assert found[0].limit_price == 700
    assert found[0].action is Action.BUY


def test_cancelled_order_moves_from_open_to_completed(driver: Driver) -> None:
    order_id = _place(driver, "theta-cancel")
    _until_working(driver, "theta-cancel")
    driver.do(lambda: driver.port.write_cancel(order_id, driver.port.state().connection_no))
    eventually(lambda: "theta-cancel" not in _refs(driver, "open_orders"))
    ended = [o for o in driver.run(driver.port.completed_orders()) if o.order_ref == "theta-cancel"]
    assert [o.status for o in ended] == ["Cancelled"]


def _modify(driver: Driver, order_ref: str, order_id: int, price: str) -> None:
    def write() -> None:
        state = driver.port.state()
        driver.port.write_place(
            OrderToPlace(
                order_ref=order_ref, order_id=order_id, connection_no=state.connection_no,
                account=state.accounts[0], contract=SPY, action=Action.BUY, quantity=2,
                limit_price=Decimal(price), modifies=True,
            )
        )  # fmt: skip

    driver.do(write)


def test_a_modified_order_is_the_same_order_at_another_price(driver: Driver) -> None:
    order_id = _place(driver, "theta-reprice")
    _until_working(driver, "theta-reprice")
    (before,) = [o for o in driver.run(driver.port.open_orders()) if o.order_ref == "theta-reprice"]
    _modify(driver, "theta-reprice", order_id, "699.5")
    eventually(
        lambda: any(
            Decimal(str(e.payload["limit_price"])) == Decimal("699.5")
            for e in _heard(driver, EvidenceKind.OPEN_ORDER, "theta-reprice")
        )
    )
    (after,) = [o for o in driver.run(driver.port.open_orders()) if o.order_ref == "theta-reprice"]
    assert (after.limit_price, after.quantity) == (Decimal("699.5"), Decimal(2))
    assert (after.order_id, after.perm_id) == (before.order_id, before.perm_id)


def test_an_id_that_was_drawn_and_not_placed_is_never_modified(driver: Driver) -> None:
    drawn = driver.do(lambda: driver.port.draw_order_id(0))
    with pytest.raises(SendRefusedError, match="order_id_not_placed"):
        _modify(driver, "theta-drawn", drawn, "699.5")
    assert "theta-drawn" not in _refs(driver, "open_orders")


def test_fill_is_evidence_execution_and_position(driver: Driver) -> None:
    _place(driver, "theta-fill", quantity=3)
    _until_working(driver, "theta-fill")
    driver.fill("theta-fill", 3)
    eventually(lambda: _heard(driver, EvidenceKind.EXECUTION, "theta-fill"))
    fills = [f for f in driver.run(driver.port.executions()) if f.order_ref == "theta-fill"]
    assert sum(f.quantity for f in fills) == 3
    assert all(f.side is Action.BUY and f.price > 0 for f in fills)
    assert all(f.commission is not None and f.commission_currency == "USD" for f in fills)
    account = driver.do(driver.port.state).accounts[0]
    portfolio = driver.run(driver.port.portfolio(account))
    assert portfolio.complete
    assert portfolio.quantity_of(SPY) == 3
    assert portfolio.values.net_liquidation


def test_partial_fill_leaves_the_rest_open(driver: Driver) -> None:
    _place(driver, "theta-part", quantity=3)
    _until_working(driver, "theta-part")
    driver.fill("theta-part", 1)
    eventually(lambda: _heard(driver, EvidenceKind.EXECUTION, "theta-part"))
    found = [o for o in driver.run(driver.port.open_orders()) if o.order_ref == "theta-part"]
    assert len(found) == 1
    assert found[0].filled == 1
    assert found[0].remaining == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"connection_no": 99}, "connection_changed"),
        ({"order_id": 77_777}, "order_id_not_drawn"),
        ({"account": "U999"}, "account_not_served"),
    ],
)
def test_refused_write_leaves_nothing(driver: Driver, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(SendRefusedError) as refused:
        _place(driver, "theta-refused", **changes)
    assert refused.value.reason == reason
    assert "theta-refused" not in _refs(driver, "open_orders")


def test_order_id_serves_once(driver: Driver) -> None:
    order_id = _place(driver, "theta-once")
    with pytest.raises(SendRefusedError, match="order_id_not_drawn"):
        _place(driver, "theta-twice", order_id=order_id)


def test_cancel_of_an_unknown_id_comes_back_as_an_error_on_it(driver: Driver) -> None:
    driver.do(lambda: driver.port.write_cancel(66_666, driver.port.state().connection_no))
    found = eventually(
        lambda: [
            e for e in driver.evidence if e.kind is EvidenceKind.ERROR and e.order_id == 66_666
        ]
    )
    assert found[0].payload["code"] in (135, 10147)


def test_quotes_answer_in_order_and_name_the_unknown(driver: Driver) -> None:
    quotes, unknown = driver.run(driver.port.quotes([NOPE, SPY], 5.0))
    assert [q.contract.symbol for q in quotes] == ["SPY"]
    assert quotes[0].has_two_sides()
    assert quotes[0].trusted
    at = driver.do(driver.port.market_at)
    assert quotes[0].at is not None
    assert at is not None
    assert quotes[0].at <= at
    assert unknown == [NOPE]


def test_chain_is_sorted_and_none_for_an_unknown_symbol(driver: Driver) -> None:
    chain = driver.run(driver.port.chain("SPY"))
    assert chain is not None
    assert (chain.exchange, chain.trading_class, chain.multiplier) == ("SMART", "SPY", 100)
    assert list(chain.strikes) == sorted(chain.strikes)
    assert list(chain.expirations) == sorted(chain.expirations)
    assert driver.run(driver.port.chain("NOPE")) is None


def test_closes_are_oldest_first_and_no_more_than_asked(driver: Driver) -> None:
    closes = driver.run(driver.port.daily_closes("SPY", 2))
    assert len(closes) == 2
    assert closes[0][0] < closes[1][0]
    assert all(close > 0 for _, close in closes)


def test_lost_connection_refuses_and_a_new_one_has_a_higher_number(driver: Driver) -> None:
    _place(driver, "theta-kept")
    _until_working(driver, "theta-kept")
    drawn = driver.do(lambda: driver.port.draw_order_id(0))
    driver.drop()
    with pytest.raises(SendRefusedError, match="not_connected"):
        driver.do(lambda: driver.port.draw_order_id(0))
    with pytest.raises(UnavailableError):
        driver.run(driver.port.open_orders())
    driver.reconnect()
    assert driver.do(driver.port.state).connection_no > 1
    assert "theta-kept" in _refs(driver, "open_orders")
    with pytest.raises(SendRefusedError, match="order_id_not_drawn"):
        _place(driver, "theta-old-id", order_id=drawn)


def test_evidence_is_numbered_and_json_ready(driver: Driver) -> None:
    _place(driver, "theta-json")
    _until_working(driver, "theta-json")
    numbers = [e.sequence for e in driver.evidence if e.connection_no == 1]
    assert numbers == list(range(1, len(numbers) + 1))
    assert json.loads(json.dumps([e.payload for e in driver.evidence]))
    told = _heard(driver, EvidenceKind.OPEN_ORDER, "theta-json")[0].payload
    assert Contract.from_record(told["contract"]).symbol == "SPY"
