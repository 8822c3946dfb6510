"""What a gateway's night brings, made by the simulator: the session survives, tells, never storms.

Resets, restarts in a row, a login that waits for a person, a port that is mute, somebody else
logged in, the link to the broker gone and back (broker facts C3, C4; order-protocol §6).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.gateway_adapter.harness import Session, Simulator
from tests.support.eventually import eventually
from theta.broker_gateway.adapters.ibkr.codes import Level
from theta.broker_gateway.ports import OrderToPlace
from theta.common.domain.instruments import stock
from theta.common.domain.orders import Action

pytestmark = pytest.mark.slow
"""Each lives through an outage: `make e2e` runs them."""

Connect = Callable[..., Session]


def place(session: Session, order_ref: str) -> None:
    def write() -> None:
        state = session.port.state()
        session.port.write_place(
            OrderToPlace(
                order_ref=order_ref, order_id=session.port.draw_order_id(0),
                connection_no=state.connection_no, account=state.accounts[0],
                contract=stock("SPY"), action=Action.BUY, quantity=1, limit_price=Decimal(700),
            )
        )  # fmt: skip

    session.do(write)


def open_refs(session: Session) -> list[str]:
    return [order.order_ref for order in session.run(session.port.open_orders())]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("daily_reset", {"warning_seconds": 0.3, "down_seconds": 0.6}),
        ("restart", {"times": 3, "down_seconds": 0.2, "up_seconds": 0.4}),
        ("restart", {"times": 1, "down_seconds": 0.5, "ids_back": 5}),
        ("drop_connections", {"refuse_seconds": 1}),
        ("half_open", {}),
    ],
)
def test_the_session_comes_back_by_itself_and_finds_its_order(
    simulator: Simulator, connect: Connect, kind: str, more: dict[str, Any]
) -> None:
    simulator.fault("tune", fill_probability=0)
    session = connect().until_ready()
    place(session, "theta-night")
    eventually(lambda: "theta-night" in open_refs(session))
    before = session.state().connection_no
    simulator.fault(kind, **more)
    eventually(lambda: session.notes.disconnected, 15)
    simulator.fault("heal") if kind == "half_open" else None
    eventually(lambda: session.state().fetched and session.state().connection_no > before, 30)
    eventually(lambda: "theta-night" in open_refs(session), 20)
    highest = session.state().highest_order_id_seen
    assert session.do(lambda: session.port.draw_order_id(highest)) > highest


def test_a_login_that_waits_for_a_person_pages_once_and_is_no_storm(
    simulator: Simulator, connect: Connect
) -> None:
    session = connect().until_ready()
    simulator.fault("login_expired")
    eventually(lambda: Level.PAGE in session.notes.levels(502), 20)
    attempts = len(session.notes.notices)
    assert session.notes.levels(502).count(Level.PAGE) == 1
    assert attempts < 100, "it tried much more often than its backoff allows"
    assert not session.state().connected
    simulator.fault("login")
    eventually(lambda: session.state().fetched, 20)
    assert session.notes.levels(502).count(Level.PAGE) == 1


def test_a_port_that_accepts_and_never_answers_proves_nothing(
    simulator: Simulator, connect: Connect
) -> None:
    session = connect().until_ready()
    simulator.fault("mute_port")
    eventually(lambda: session.notes.disconnected, 15)
    eventually(lambda: Level.PAGE in session.notes.levels(502), 30)
    assert not session.state().connected
    simulator.fault("heal")
    eventually(lambda: session.state().fetched, 30)


@pytest.mark.parametrize("data_lost", [True, False])
def test_a_lost_link_to_the_broker_stops_orders_and_asks_again_when_it_is_back(
    simulator: Simulator, connect: Connect, data_lost: bool
) -> None:
    session = connect().until_ready()
    ready = session.notes.ready
    simulator.fault("connectivity_lost", seconds=1.0, data_lost=data_lost)
    eventually(lambda: not session.state().broker_link, 10)
    assert session.state().connected
    eventually(lambda: session.state().broker_link and session.state().fetched, 15)
    eventually(lambda: session.notes.ready > ready, 15)
    assert session.notes.disconnected == []


def test_somebody_elses_login_pages_and_is_not_fought(
    simulator: Simulator, connect: Connect
) -> None:
    session = connect().until_ready()
    simulator.fault("competing_session", seconds=1.5)
    quotes, _ = session.run(session.port.quotes([stock("SPY")], 1.0))
    eventually(lambda: Level.PAGE in session.notes.levels(10197), 10)
    assert not any(quote.trusted and quote.has_two_sides() for quote in quotes)
    assert session.notes.disconnected == []
    eventually(
        lambda: any(
            quote.trusted and quote.has_two_sides()
            for quote in session.run(session.port.quotes([stock("SPY")], 2.0))[0]
        ),
        20,
    )


def test_an_error_unknown_to_us_on_a_living_order_pages(
    simulator: Simulator, connect: Connect
) -> None:
    simulator.fault("tune", fill_probability=0)
    session = connect().until_ready()
    place(session, "theta-odd")
    eventually(lambda: "theta-odd" in open_refs(session))
    simulator.fault("order_error", order_ref="theta-odd", code=10_999, message="something new")
    eventually(lambda: Level.PAGE in session.notes.levels(10_999), 10)
    assert "theta-odd" in open_refs(session)
