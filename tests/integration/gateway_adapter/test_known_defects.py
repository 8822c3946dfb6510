"""Each known fault of the client library, or of TWS, with the guard that stands before it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.gateway_adapter.harness import Proxy, Session, SimulatorHere
from tests.support.eventually import eventually, eventually_async
from theta.broker_gateway.adapters.ibkr.codes import Level
from theta.broker_gateway.adapters.ibkr.library import (
    Client,
    Wrapper,
)
from theta.broker_gateway.adapters.ibkr.link import Link, RequestFailedError
from theta.broker_gateway.ports import EvidenceKind, OrderToPlace, SendRefusedError
from theta.common.domain.instruments import stock
from theta.common.domain.orders import Action
from theta.common.errors import OutcomeUnknownError, UnavailableError

Connect = Callable[..., Session]
OPEN_ORDER_END, ACCOUNT_END, EXECUTIONS_END, POSITIONS_END, COMPLETED_END = 53, 54, 55, 62, 102


def _place(session: Session, order_ref: str, **changes: Any) -> int:
    def place() -> int:
        state = session.port.state()
        order_id = session.port.draw_order_id(0)
        fields: dict[str, Any] = {
            "order_ref": order_ref, "order_id": order_id, "connection_no": state.connection_no,
            "account": state.accounts[0], "contract": stock("SPY"), "action": Action.BUY,
            "quantity": 1, "limit_price": Decimal(700),
        }  # fmt: skip
        session.port.write_place(OrderToPlace(**(fields | changes)))
        return order_id

    return session.do(place)


def _working(simulator: SimulatorHere, session: Session, order_ref: str) -> int:
    simulator.fault("tune", fill_probability=0)
    order_id = _place(session, order_ref)
    eventually(
        lambda: any(
            e.kind is EvidenceKind.ORDER_STATUS and e.payload["status"] == "Submitted"
            for e in session.evidence
            if e.order_ref == order_ref
        )
    )
    return order_id


def _local_status(session: Session, order_id: int) -> str:
    wrapper = session.link().ib.wrapper
    return str(session.do(lambda: wrapper.trades[17, order_id].orderStatus.status))


# -- false cancels


@pytest.mark.parametrize("code", [105, 321, 329, 10349, 103, 10289, 99_999])
def test_error_code_on_a_live_order_never_cancels_it_locally(
    simulator: SimulatorHere, connect: Connect, code: int
) -> None:
    session = connect().until_ready()
    order_id = _working(simulator, session, "theta-live")
    wrapper = session.link().ib.wrapper
    session.do(lambda: wrapper.error(order_id, code, "a text", ""))
    assert _local_status(session, order_id) == "Submitted"
    heard = [e for e in session.evidence if e.kind is EvidenceKind.ERROR and e.order_id == order_id]
    assert [(e.payload["code"], e.order_ref) for e in heard] == [(code, "theta-live")]
    assert [o.order_ref for o in session.run(session.port.open_orders())] == ["theta-live"]


def test_the_library_by_itself_does_cancel_it(simulator: SimulatorHere, connect: Connect) -> None:
    """Shows that the guard above guards something; when this fails, the library was mended."""
    session = connect().until_ready()
    order_id = _working(simulator, session, "theta-plain")
    wrapper = session.link().ib.wrapper
    plain = Wrapper
    session.do(lambda: plain.error(wrapper, order_id, 10349, "a text", ""))
    assert _local_status(session, order_id) == "Cancelled"


def test_unknown_code_on_an_order_pages(simulator: SimulatorHere, connect: Connect) -> None:
    session = connect().until_ready()
    order_id = _working(simulator, session, "theta-page")
    wrapper = session.link().ib.wrapper
    session.do(lambda: wrapper.error(order_id, 88_888, "never seen", ""))
    assert session.notes.levels(88_888) == [Level.PAGE]


def test_rejection_keeps_the_brokers_reason(simulator: SimulatorHere, connect: Connect) -> None:
    session = connect().until_ready()
    simulator.fault("refuse_next_order", code=201, message="Order rejected - reason:no margin left")
    order_id = _place(session, "theta-refused")
    heard = eventually(
        lambda: [
            e for e in session.evidence if e.kind is EvidenceKind.ERROR and e.order_id == order_id
        ]
    )
    assert heard[0].payload["code"] == 201
    assert "no margin left" in heard[0].payload["message"]
    assert session.notes.levels(201) == [Level.PAGE]


# -- start


@pytest.mark.slow
@pytest.mark.parametrize(
    "withheld", [OPEN_ORDER_END, COMPLETED_END, EXECUTIONS_END, ACCOUNT_END, POSITIONS_END]
)
def test_start_is_not_ready_while_any_answer_is_missing(
    connect: Connect, proxy: Proxy, withheld: int
) -> None:
    proxy.hold(withheld)
    session = connect(proxy.port)
    eventually(lambda: session.notes.disconnected, 15)
    assert session.notes.ready == 0
    assert not session.state().fetched
    proxy.release()
    session.until_ready()


@pytest.mark.slow
def test_executions_that_never_end_raise_and_do_not_hang(connect: Connect, proxy: Proxy) -> None:
    session = connect(proxy.port).until_ready()
    proxy.hold(EXECUTIONS_END)
    with pytest.raises(UnavailableError):
        session.run(session.port.executions(), 10)


def test_error_on_the_executions_request_is_no_empty_answer(connect: Connect, proxy: Proxy) -> None:
    session = connect(proxy.port).until_ready()
    proxy.hold(EXECUTIONS_END)
    link = session.link()

    async def ask_and_fail() -> object:
        asking = asyncio.ensure_future(session.port.executions())
        waiting = await eventually_async(
            lambda: link.ib.wrapper._futures.keys() & link.ib.client.request_ids
        )
        request_id = next(iter(waiting))
        link.ib.wrapper.error(request_id, 321, "Error validating request", "")
        return await asking

    with pytest.raises(RequestFailedError) as failed:
        session.run(ask_and_fail(), 10)
    assert failed.value.code == 321


@pytest.mark.slow
def test_late_end_is_not_taken_for_the_next_answer(
    simulator: SimulatorHere, connect: Connect, proxy: Proxy
) -> None:
    session = connect(proxy.port).until_ready()
    _working(simulator, session, "theta-late")
    proxy.hold(OPEN_ORDER_END)
    with pytest.raises(UnavailableError):
        session.run(session.port.open_orders(), 10)
    assert proxy.held() == 1
    proxy.release()
    assert [o.order_ref for o in session.run(session.port.open_orders())] == ["theta-late"]


def test_open_orders_asked_twice_at_once_are_both_complete(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    _working(simulator, session, "theta-both")

    async def both() -> list[list[str]]:
        answers = await asyncio.gather(session.port.open_orders(), session.port.open_orders())
        return [[order.order_ref for order in answer] for answer in answers]

    assert session.run(both()) == [["theta-both"], ["theta-both"]]


def test_unreadable_message_spoils_the_answer(simulator: SimulatorHere, connect: Connect) -> None:
    session = connect().until_ready()
    link = session.link()

    async def ask_and_garble() -> object:
        asking = asyncio.ensure_future(session.port.completed_orders())
        await asyncio.sleep(0)
        interpret: Callable[[list[str]], None] = link.ib.client.decoder.interpret
        interpret(["101", "no", "order"])
        return await asking

    with pytest.raises(UnavailableError, match="could not be read"):
        session.run(ask_and_garble(), 10)
    assert session.notes.levels(0) == [Level.PAGE]


# -- writing


class FullTransport:
    """A transport whose buffer still holds bytes."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 7

    def write(self, data: bytes) -> None:
        self.written.append(data)


def _with_transport(link: Link, transport: Any, work: Callable[[], None]) -> None:
    kept = link.ib.client.conn.transport
    link.ib.client.conn.transport = transport
    try:
        work()
    finally:
        link.ib.client.conn.transport = kept


@pytest.mark.parametrize("transport", [None, FullTransport()])
def test_order_without_a_free_transport_is_refused_not_lost(
    simulator: SimulatorHere, connect: Connect, transport: FullTransport | None
) -> None:
    """The library would drop the first without a word, and leave the second in a buffer."""
    session = connect().until_ready()
    link = session.link()

    def place() -> None:
        order_id = session.port.draw_order_id(0)
        order = OrderToPlace(
            order_ref="theta-void", order_id=order_id, connection_no=link.connection_no,
            account=link.accounts[0], contract=stock("SPY"), action=Action.BUY, quantity=1,
            limit_price=Decimal(700),
        )  # fmt: skip
        _with_transport(link, transport, lambda: session.port.write_place(order))

    with pytest.raises(SendRefusedError):
        session.do(place)
    assert simulator.truth()["orders"] == []
    assert transport is None or transport.written == []


def test_the_library_by_itself_drops_a_message_without_transport_silently(
    connect: Connect,
) -> None:
    """Shows that the guard above guards something."""
    session = connect().until_ready()
    client = session.link().ib.client
    send_plain: Callable[..., None] = Client.send

    def send() -> int:
        before = client.conn.numMsgSent
        _with_transport(session.link(), None, lambda: send_plain(client, 49, 1))
        return int(client.conn.numMsgSent - before)

    assert session.do(send) == 0


def test_exception_after_the_write_began_is_unknown_not_refused(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    simulator.fault("tune", fill_probability=0)
    link = session.link()

    def fail(*_: object) -> None:
        raise RuntimeError("after the bytes left")

    session.do(lambda: setattr(link.ib.wrapper, "orderKey", fail))
    with pytest.raises(OutcomeUnknownError):
        _place(session, "theta-unknown")
    eventually(
        lambda: [o for o in simulator.truth()["orders"] if o["order_ref"] == "theta-unknown"]
    )


def test_library_queue_stays_empty_and_tws_sees_no_pacing_violation(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()

    async def many() -> int:
        await asyncio.gather(*(session.port.executions() for _ in range(70)))
        return len(session.link().ib.client._msgQ)

    assert session.run(many(), 20) == 0
    assert simulator.truth()["messages"]["pacing_violations"] == 0


# -- the link to the broker


def test_1100_stops_orders_and_1102_asks_to_reconcile(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    simulator.fault("code", code=1100)
    eventually(lambda: not session.state().broker_link)
    with pytest.raises(SendRefusedError, match="link_down"):
        _place(session, "theta-1100")
    eventually(lambda: Level.PAGE in session.notes.levels(1100))
    before = simulator.truth()["messages"]["by_type"].get("reqAccountSummary", 0)
    simulator.fault("code", code=1102)
    session.until_ready(2)
    assert session.state().broker_link
    # The library by itself would send a request of its own here.
    assert simulator.truth()["messages"]["by_type"].get("reqAccountSummary", 0) == before


def test_1101_fetches_all_again(simulator: SimulatorHere, connect: Connect) -> None:
    session = connect().until_ready()
    before = simulator.truth()["messages"]["by_type"]["reqCompletedOrders"]
    simulator.fault("code", code=1100)
    simulator.fault("code", code=1101)
    session.until_ready(2)
    assert simulator.truth()["messages"]["by_type"]["reqCompletedOrders"] == before + 1


def test_half_open_connection_is_found_and_made_again(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    simulator.fault("half_open")
    eventually(lambda: session.notes.disconnected, 10)
    simulator.fault("heal")
    session.until_ready(2)
    assert session.state().connection_no > 1


def test_quotes_are_untrusted_while_a_farm_is_down(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    simulator.fault("code", code=2103)
    eventually(lambda: session.notes.levels(2103))
    quotes, _ = session.run(session.port.quotes([stock("SPY")], 5))
    assert not quotes[0].trusted
    simulator.fault("code", code=2104)
    eventually(lambda: len(session.notes.levels(2104)) > 1)
    quotes, _ = session.run(session.port.quotes([stock("SPY")], 5))
    assert quotes[0].trusted


def test_client_id_in_use_is_asked_again_with_the_same_id_and_pages(
    simulator: SimulatorHere, connect: Connect
) -> None:
    first = connect().until_ready()
    second = connect()
    eventually(lambda: Level.PAGE in second.notes.levels(326), 15)
    assert second.notes.ready == 0
    assert simulator.truth()["connected_clients"] == [17]
    first.stop()
    second.until_ready(timeout_seconds=20)
    assert second.state().client_id == 17


# -- ids


def test_rolled_back_id_is_raised_above_the_highest_seen(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    drawn = session.do(lambda: session.port.draw_order_id(500))
    _place(session, "theta-high")
    simulator.fault("roll_back_ids", by=10)
    simulator.fault("drop_connections")
    session.until_ready(2)
    assert session.do(lambda: session.port.draw_order_id(0)) > drawn + 1


def test_request_ids_and_order_ids_never_meet(simulator: SimulatorHere, connect: Connect) -> None:
    session = connect().until_ready()
    drawn = [session.do(lambda: session.port.draw_order_id(0))]
    session.run(session.port.quotes([stock("SPY"), stock("QQQ")], 5))
    drawn.append(session.do(lambda: session.port.draw_order_id(0)))
    assert not set(drawn) & session.link().ib.client.request_ids
    assert session.link().is_order_id(drawn[0])


# -- commissions, clocks, the interpreter


def test_unset_gain_is_none_although_the_library_makes_it_zero(
    simulator: SimulatorHere, connect: Connect
) -> None:
    session = connect().until_ready()
    _working(simulator, session, "theta-gain")
    simulator.fault("fill_order", order_ref="theta-gain", price=700)
    heard = eventually(lambda: [e for e in session.evidence if e.kind is EvidenceKind.COMMISSION])
    assert heard[0].payload["realised_pnl"] is None
    assert Decimal(heard[0].payload["commission"]) > 0


def test_library_imports_in_a_thread_without_an_event_loop() -> None:
    program = (
        "import threading, sys\n"
        "def work():\n"
        "    import theta.broker_gateway.adapters.ibkr.library\n"
        "    print('imported')\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "imported"
    assert done.stderr == ""
