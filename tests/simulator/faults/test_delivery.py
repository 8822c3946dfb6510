"""What a rule does to messages on their way, message by message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from theta.simulator.faults.delivery import CALLBACKS, Delivery, Rule
from theta.simulator.gateway.session import Session


class Outbox:
    def __init__(self) -> None:
        self.sent: list[list[object]] = []

    def put(self, fields: list[object]) -> None:
        self.sent.append(fields)


class Line:
    """A connection that keeps what is sent, and runs delayed actions when told to."""

    def __init__(self, client_id: int = 1) -> None:
        self.client_id = client_id
        self.outbox = Outbox()
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def later(self, delay: float, action: Callable[[], None]) -> None:
        self.waiting.append((delay, action))

    def pass_time(self) -> None:
        waiting, self.waiting = self.waiting, []
        for _, action in waiting:
            action()

    def texts(self) -> list[str]:
        return [str(fields[1]) for fields in self.outbox.sent]


def deliver(delivery: Delivery, line: Line, number: object, text: str) -> None:
    delivery.deliver(cast("Session", cast("Any", line)), [number, text])


def armed(*rules: Rule) -> Delivery:
    delivery = Delivery()
    delivery.rules = list(rules)
    return delivery


OTHER = 9
"""Next valid id: of no kind."""


@pytest.mark.parametrize("callback", sorted(CALLBACKS))
@pytest.mark.parametrize("as_text", [False, True])
def test_each_kind_is_known_by_each_of_its_numbers(callback: str, as_text: bool) -> None:
    for number in CALLBACKS[callback]:
        line, delivery = Line(), armed(Rule("swallow", callback))
        deliver(delivery, line, str(number) if as_text else number, "lost")
        deliver(delivery, line, OTHER, "kept")
        assert line.texts() == ["kept"]


def test_no_message_is_of_two_kinds() -> None:
    numbers = [number for group in CALLBACKS.values() for number in group]
    assert len(numbers) == len(set(numbers))


def test_a_rule_ends_after_so_many() -> None:
    line, delivery = Line(), armed(Rule("swallow", "orderStatus", left=2))
    for text in "abc":
        deliver(delivery, line, 3, text)
    assert line.texts() == ["c"]
    assert not delivery.active


def test_a_duplicate_follows_its_message_at_once() -> None:
    line, delivery = Line(), armed(Rule("duplicate", "tick", times=2))
    deliver(delivery, line, 1, "a")
    deliver(delivery, line, OTHER, "b")
    assert line.texts() == ["a", "a", "a", "b"]


def test_delayed_messages_keep_their_order() -> None:
    line, delivery = Line(), armed(Rule("delay", "openOrder", seconds=0.3))
    for number, text in ((5, "a"), (3, "b"), (5, "c")):
        deliver(delivery, line, number, text)
    assert line.texts() == ["b"]
    assert [delay for delay, _ in line.waiting] == [0.3, 0.3]
    line.pass_time()
    assert line.texts() == ["b", "a", "c"]


def test_reordered_messages_follow_the_next_of_another_kind_newest_first() -> None:
    line, delivery = Line(), armed(Rule("reorder", "execDetails", left=2, seconds=0.5))
    for number, text in ((11, "a"), (11, "b"), (59, "c"), (11, "d")):
        deliver(delivery, line, number, text)
    assert line.texts() == ["c", "b", "a", "d"]
    line.pass_time()
    assert line.texts() == ["c", "b", "a", "d"], "nothing leaves twice"


def test_a_reordered_message_leaves_in_time_when_nothing_follows() -> None:
    line, delivery = Line(), armed(Rule("reorder", "account", seconds=0.5))
    deliver(delivery, line, 6, "a")
    assert line.texts() == []
    line.pass_time()
    assert line.texts() == ["a"]


def test_a_rule_for_one_client_leaves_the_others_alone() -> None:
    first, second = Line(1), Line(2)
    delivery = armed(Rule("swallow", "position", client_id=2))
    deliver(delivery, first, 61, "a")
    deliver(delivery, second, 61, "b")
    assert (first.texts(), second.texts()) == (["a"], [])


def test_healing_lets_go_what_waits_and_a_lost_connection_takes_it_along() -> None:
    kept, gone = Line(1), Line(2)
    delivery = armed(Rule("reorder", "tick", seconds=0.5))
    deliver(delivery, kept, 1, "a")
    deliver(delivery, gone, 1, "b")
    delivery.forget(cast("Session", cast("Any", gone)))
    delivery.clear()
    assert (kept.texts(), gone.texts()) == (["a"], [])
    assert not delivery.active
