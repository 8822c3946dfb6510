"""The same stories told by a seed alone: no search and no shrinking, so many more of them."""

from __future__ import annotations

from random import Random

from tests.property.gateway.deeds import ANSWERS, CANCELS, CLAIMS, MODIFIES, Deeds
from tests.property.gateway.gateway_process import Rules
from tests.property.gateway.machine import TROUBLES

STEPS = 25


def walk(seed: int, rules: Rules | None = None, *, steps: int = STEPS) -> Deeds:
    """Tell the story of `seed` and heal it. Raises BrokenRuleError where a rule does not hold."""
    random, deeds = Random(seed), Deeds(rules)
    for _ in range(steps):
        _step(random, deeds)
        deeds.world.oracle.check()
    deeds.heal()
    return deeds


def _step(random: Random, deeds: Deeds) -> None:
    position = random.randrange(8)
    choice = random.randrange(100)
    if choice < 20:
        deeds.order(random.randrange(4), random.randint(1, 3), random.choice(CLAIMS))
    elif choice < 25:
        deeds.submit_again(position, random.choice(CLAIMS))
    elif choice < 28:
        deeds.freeze_at_the_write(position, random.choice([5.0, 30.0]))
    elif choice < 36:
        deeds.cancel(position, random.choice(CANCELS))
    elif choice < 44:
        deeds.modify(position, random.choice(MODIFIES))
    elif choice < 52:
        deeds.fill(position, random.choice([1, 3]))
    elif choice < 58:
        deeds.fill_between_two_answers(position, 3, random.choice(ANSWERS))
    elif choice < 60:
        deeds.late_fill(position)
    elif choice < 62:
        deeds.broker_ends(position, random.choice(["Cancelled", "Inactive"]))
    elif choice < 82:
        deeds.troublesome[random.choice(TROUBLES)](random.randrange(40))
    else:
        deeds.world.pass_time(random.choice([2.5, 2.5, 5.0, 12.5, 30.0]))
