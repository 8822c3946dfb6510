"""What the model found in the gateway, each as the shortest story that shows it."""

from __future__ import annotations

from decimal import Decimal

from tests.property.gateway.deeds import NO_TROUBLE, Deeds
from theta.common.domain.orders import OrderState


def test_order_ids_are_drawn_above_those_of_another_leader() -> None:
    """Two gateways lead in turn: the first one must not go on from the ids that it knew."""
    deeds = Deeds()
    world = deeds.world
    deeds.order(0, 1, NO_TROUBLE)
    deeds.start("b")
    for frozen in ("a", "b"):
        process = world.running(frozen)
        assert process is not None
        world.freeze(process, 17.5)
        world.pass_time(10)
        deeds.order(0, 1, NO_TROUBLE)
    placed = [row for row in world.db.commands.values() if row.kind == "place"]
    assert [row.epoch for row in placed] == [1, 2, 3]
    assert len({row.order_id for row in placed}) == 3
    deeds.heal()


def test_a_fill_in_the_second_of_the_snapshot_is_not_inferred_again() -> None:
    """Half of the order filled and was recorded; after midnight the rest has expired."""
    deeds = Deeds()
    world = deeds.world
    deeds.order(2, 2, NO_TROUBLE)
    (child,) = world.db.children.values()
    (snapshot, *_) = world.db.snapshots.values()
    told_at = snapshot.portfolio.market_at.replace(microsecond=0)
    world.script.at, now = told_at, world.script.at
    deeds.fill(0, 1)
    world.script.at = now
    deeds.turn(NO_TROUBLE)
    assert world.db.children[child.id].filled_quantity == 1
    deeds.tws_away()
    deeds.midnight()
    deeds.heal()
    ended = world.db.children[child.id]
    assert (ended.state, ended.filled_quantity) == (OrderState.EXPIRED, 1)
    assert sum((row.quantity for row in world.db.executions.values()), Decimal(0)) == 1


def test_a_cancel_never_uses_an_order_id_of_an_earlier_connection() -> None:
    """Ids rolled back, and the new connection has not shown its orders yet."""
    deeds = Deeds()
    world = deeds.world
    deeds.order(0, 1, NO_TROUBLE)
    deeds.order(0, 1, NO_TROUBLE)
    first, second = world.db.children.values()
    world.drop()
    world.shift_order_ids()
    (process,) = world.acting()
    process.keep_house()
    assert process.cancelling.cancel(first.id) == "later"
    world.pass_time(5)
    assert world.script.orders[first.order_ref].told.status == "Cancelled"
    assert world.script.orders[second.order_ref].told.status == "Submitted"
    deeds.heal()
