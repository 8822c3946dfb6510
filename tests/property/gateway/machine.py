"""The order protocol as a state machine for Hypothesis; see `deeds` for what each rule does."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.property.gateway.deeds import (
    ANSWERS,
    CANCELS,
    CLAIMS,
    MODIFIES,
    NO_TROUBLE,
    Deeds,
    Trouble,
)
from tests.property.gateway.gateway_process import Rules

POSITIONS = st.integers(min_value=0, max_value=7)
TROUBLES = (
    "mend", "mend", "mend", "mend", "kill", "kill for good", "start a", "start b", "drop",
    "tws away", "lose link", "link back", "shift ids", "database away", "database back",
    "doubt, kept", "doubt, undone", "slow wire", "fast wire", "deliver", "repeat",
    "repeat another", "midnight", "dead over midnight", "halt", "resume", "resume again", "turn",
    "another turn",
)  # fmt: skip
MARKET = (
    "fill", "fill", "fill all", "late fill", "cancelled", "inactive",
    *(f"fill after {answer}" for answer in ANSWERS),
)  # fmt: skip


class OrderModel(RuleBasedStateMachine):
    """One account, one session, up to two gateways. Few rules of many faces: draws are dear."""

    parts: ClassVar[type[Rules]] = Rules

    def __init__(self) -> None:
        super().__init__()
        self.deeds = Deeds(self.parts())

    @initialize(which=st.integers(0, 3), quantity=st.integers(1, 3))
    def begin(self, which: int, quantity: int) -> None:
        """There is always an order to begin with."""
        self.deeds.order(which, quantity, NO_TROUBLE)

    @rule(which=st.integers(0, 3), quantity=st.integers(1, 3), trouble=st.sampled_from(CLAIMS))
    def order(self, which: int, quantity: int, trouble: Trouble) -> None:
        self.deeds.order(which, quantity, trouble)

    @rule(position=POSITIONS, trouble=st.sampled_from(CLAIMS))
    def submit_again(self, position: int, trouble: Trouble) -> None:
        self.deeds.submit_again(position, trouble)

    @rule(which=st.integers(0, 2), seconds=st.sampled_from([5.0, 30.0]))
    def freeze_at_the_write(self, which: int, seconds: float) -> None:
        self.deeds.freeze_at_the_write(which, seconds)

    @rule(position=POSITIONS, trouble=st.sampled_from(CANCELS))
    def cancel(self, position: int, trouble: Trouble) -> None:
        self.deeds.cancel(position, trouble)

    @rule(position=POSITIONS, trouble=st.sampled_from(MODIFIES))
    def modify(self, position: int, trouble: Trouble) -> None:
        self.deeds.modify(position, trouble)

    @rule(position=POSITIONS, what=st.sampled_from(MARKET))
    def market(self, position: int, what: str) -> None:
        if what == "late fill":
            self.deeds.late_fill(position)
        elif what in {"cancelled", "inactive"}:
            self.deeds.broker_ends(position, what.capitalize())
        elif what.startswith("fill after "):
            after = what.removeprefix("fill after ")
            self.deeds.fill_between_two_answers(position, 3, after)
        else:
            self.deeds.fill(position, 3 if what == "fill all" else 1)

    @rule(number=st.integers(0, 15), what=st.sampled_from(TROUBLES))
    def trouble(self, number: int, what: str) -> None:
        self.deeds.troublesome[what](number)

    @rule(seconds=st.sampled_from([2.5, 2.5, 5.0, 12.5, 30.0]))
    def pass_time(self, seconds: float) -> None:
        self.deeds.world.pass_time(seconds)

    @invariant()
    def rules_hold(self) -> None:
        self.deeds.world.oracle.check()

    def teardown(self) -> None:
        """Heal everything; then every intent must have come to its end."""
        if not self.deeds.world.oracle.broken:
            self.deeds.heal()
