"""Acts are done at their times; a call that hangs or fails holds up nothing but later calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from tests.simulation.acting import Acting
from tests.simulation.plans import Act
from tests.support.eventually import eventually
from theta.common.errors import ThetaError, UnavailableError
from theta.embedded.json_http import Answer
from theta.embedded.running import Deployment

FAULT = {"kind": "drop_connections"}
ACTS = (Act(0.0, "run"), Act(1.0, "halt"), Act(1.0, "broker", FAULT), Act(2.0, "resume"))


class System:
    """The part of a deployment that acts reach, told how to answer."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Exception] = {}
        self.calls: list[str] = []
        self.faults: list[Mapping[str, Any]] = []
        self.frozen = threading.Event()
        self.awake = threading.Event()
        self.awake.set()

    def api(self, _method: str, path: str, _body: Mapping[str, Any]) -> Answer:
        if not self.awake.is_set():
            self.frozen.set()
            assert self.awake.wait(10)
        self.calls.append(path.rpartition("/")[2])
        answer = self.answers.pop(self.calls[-1], Answer(200, {}))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def control(self, _path: str, body: Mapping[str, Any]) -> None:
        self.faults.append(body)


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
def acting(system: System) -> Iterator[Acting]:
    made = Acting(cast("Deployment", system), ACTS, order_sent=lambda: True)
    yield made
    system.awake.set()
    made.close()


def test_nothing_is_done_before_its_time(system: System, acting: Acting) -> None:
    eventually(lambda: acting.turn(0.5) or system.calls == ["runs"])
    assert not acting.turn(0.99)
    assert (system.calls, system.faults) == (["runs"], [])


def test_everything_is_done_once_and_in_order(system: System, acting: Acting) -> None:
    eventually(lambda: acting.turn(3.0))
    assert (system.calls, system.faults) == (["runs", "halt", "resume"], [FAULT])
    assert acting.struck == 2  # the halt and the dropped connections


def test_a_halt_that_needs_an_order_waits_for_it_and_later_calls_with_it(system: System) -> None:
    sent: list[str] = []
    acts = (Act(1.0, "halt", needs_order=True), Act(2.0, "resume"))
    acting = Acting(cast("Deployment", system), acts, order_sent=lambda: bool(sent))
    assert not acting.turn(5.0)
    assert system.calls == []
    sent.append("an order")
    eventually(lambda: acting.turn(6.0) or system.calls == ["halt"])
    assert not acting.turn(6.9)
    eventually(lambda: acting.turn(7.0))
    assert system.calls == ["halt", "resume"]
    acting.close()


def test_a_call_that_hangs_holds_up_no_accident(system: System, acting: Acting) -> None:
    system.awake.clear()
    acting.turn(0.0)
    assert system.frozen.wait(5)
    assert not acting.turn(1.0)
    assert (system.calls, system.faults) == ([], [FAULT])
    system.awake.set()
    eventually(lambda: acting.turn(3.0))
    assert system.calls == ["runs", "halt", "resume"]


@pytest.mark.parametrize("failure", [UnavailableError("killed"), Answer(503, {})])
def test_a_call_that_nobody_answers_is_repeated_before_the_next(
    system: System, acting: Acting, failure: Answer | Exception
) -> None:
    system.answers["halt"] = failure
    eventually(lambda: acting.turn(3.0))
    assert system.calls == ["runs", "halt", "halt", "resume"]


def test_an_answer_that_no_operator_should_get_ends_the_seed(
    system: System, acting: Acting
) -> None:
    system.answers["runs"] = Answer(500, {"code": "defect"})
    with pytest.raises(ThetaError, match="500"):
        eventually(lambda: acting.turn(0.0))
