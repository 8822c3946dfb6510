"""The state file: older ones are understood, newer ones refused, nothing is told before it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.conftest import Process, limit, option, until
from tests.simulator.exchange.floor import Floor, market
from theta.simulator.errors import StateError
from theta.simulator.exchange.store import Store

OLD_ORDER = {
    "perm_id": 1_203_000_007, "client_id": 1, "order_id": 4, "action": "SELL", "quantity": "2",
    "order_type": "LMT", "limit": "90.0", "tif": "GTC", "account": "DU1", "order_ref": "old",
    "outside_rth": False, "placed_at": 1_786_637_000.0, "expires_at": None, "status": "Submitted",
    "filled": "0", "value": "0", "last_price": "0", "heard": True, "bound": True, "revision": 0,
    "hazard": 0.0, "looked_at": 1_786_637_000.0, "ended_at": None, "end_reason": "", "timeline": [],
}  # fmt: skip


def write_old(path: Path, con_id: int) -> None:
    """A state as the first format had it: one account, positions by contract id."""
    position = {"con_id": con_id, "quantity": "-3", "average_cost": "499", "realized": "12.5"}
    account = {"cash": "401500", "commissions": "3", "realized": "12.5"}
    records = [
        ("order", "1203000007", {**OLD_ORDER, "con_id": con_id}),
        ("position", str(con_id), position),
        ("account", "DU1", account),
        ("counters", "all", {"orders": 1, "executions": 5}),
        ("client", "1", {"highest": 4}),
    ]
    store = Store(path)
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM record")
        rows = [(kind, key, json.dumps(body)) for kind, key, body in records]
        db.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
    db.close()


def test_a_state_of_the_first_format_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    put = Floor().option(740.0, "P")
    write_old(path, put.con_id)
    floor = Floor(state=path)
    assert floor.account.cash == 401_500
    assert floor.account.quantity(put.con_id) == -3
    order = floor.exchange.find(1, 4)
    assert order is not None
    assert (order.order_ref, order.limit) == ("old", Decimal("90.0"))
    assert floor.exchange.working == {order.perm_id: order}
    fresh = floor.place(put, market("BUY", 1), order_id=5)
    assert fresh.perm_id == order.perm_id + 7
    assert floor.exchange.executions[0].exec_id == f"0000e0d5.{0x6A1B2C3D + 6:08x}.01.01"
    floor.store.close()
    again = Floor(state=path)
    assert again.account.quantity(put.con_id) == -2


def test_a_state_of_a_later_format_is_refused_in_one_sentence(tmp_path: Path) -> None:
    store = Store(tmp_path / "new.db")
    store.write([("format", "all", {"version": 99})])
    store.close()
    with pytest.raises(StateError, match="has format 99, this program knows up to"):
        Store(tmp_path / "new.db")


def test_what_is_staged_is_written_once_as_it_stands_last(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store = Store(path)
    body = {"value": 1}
    store.stage([("thing", "a", lambda: dict(body))])
    body["value"] = 2
    assert store.load("thing") == {}
    store.flush()
    assert store.load("thing") == {"a": {"value": 2}}
    store.close()


async def test_whatever_a_client_heard_survives_a_kill(
    spawn: Callable[..., Process], connect: Callable[..., Any], tmp_path: Path
) -> None:
    state = ["--state", str(tmp_path / "broker.db"), "--scenario", "polite"]
    first = spawn(*state)
    client = await connect(first.port)
    put = await option(client)
    trade = client.placeOrder(put, limit("SELL", 1, 0.5, "told"))
    await until(lambda: trade.orderStatus.status == "Filled" and trade.fills)
    first.kill()
    second = spawn(*state)
    (told,) = second.control("/truth")["executions"]
    assert told["exec_id"] == trade.fills[0].execution.execId
    assert second.control("/truth")["positions"][0]["quantity"] == -1
