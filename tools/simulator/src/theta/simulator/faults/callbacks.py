"""Faults of delivery: callbacks late, swapped, doubled or swallowed, by kind."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from theta.simulator.faults.delivery import CALLBACKS, Rule
from theta.simulator.faults.kinds import CLIENT, Arm, FaultKind, Values
from theta.simulator.faults.parameters import Parameter

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

GROUP = "Callbacks"

_CALLBACK = Parameter("callback", "choice", "which callback", choices=tuple(CALLBACKS))
_COUNT = Parameter("n", "whole", "how many; 0: every one until healed", 1)
_ALL = Parameter("n", "whole", "how many; 0: every one until healed", 0)


def _rule(action: str, milliseconds: str = "") -> Arm:
    def arm(gateway: "Gateway", values: Values) -> Values:
        gateway.faults.delivery.rules.append(
            Rule(
                action,
                values["callback"],
                values["n"] or None,
                values[milliseconds] / 1000 if milliseconds else 0.0,
                values.get("times", 1),
                values["client_id"],
            )
        )
        return dict(values)

    return arm


def _delay_all(gateway: "Gateway", values: Values) -> Values:
    gateway.faults.delay_callbacks = values["ms"] / 1000
    return {"ms": values["ms"]}


def _chances(make: Callable[[str], Values]) -> tuple[Values, ...]:
    return tuple(make(name) for name in CALLBACKS)


KINDS = (
    FaultKind(
        "delay_callbacks_ms", GROUP, "Every order callback comes this much later; 0 ends it.",
        "Acknowledgements and fills late, in order.", _delay_all,
        (Parameter("ms", "number", "milliseconds"),), ({"ms": 200.0},),
    ),
    FaultKind(
        "delay", GROUP, "One kind of callback comes this much later, the others do not.",
        "The callback after those that were caused later.", _rule("delay", "ms"),
        (
            _CALLBACK, Parameter("ms", "number", "milliseconds", 500.0, 0, 600_000), _ALL, CLIENT,
        ),
        _chances(lambda name: {"callback": name, "ms": 300.0, "n": 3}),
    ),
    FaultKind(
        "reorder", GROUP, "The callback waits until a later message of another kind has left.",
        "The callback after the message that should follow it; several come newest first.",
        _rule("reorder", "within_ms"),
        (
            _CALLBACK,
            Parameter("within_ms", "number", "at most this many milliseconds", 500.0, 1, 600_000),
            _COUNT, CLIENT,
        ),
        _chances(lambda name: {"callback": name, "n": 2}),
    ),
    FaultKind(
        "duplicate", GROUP, "The callback is sent again.", "The same callback more than once.",
        _rule("duplicate"),
        (_CALLBACK, _COUNT, Parameter("times", "whole", "extra copies", 1, 1, 100), CLIENT),
        _chances(lambda name: {"callback": name, "n": 3}),
    ),
    FaultKind(
        "swallow", GROUP, "The callback is never sent.",
        "Nothing, until a later callback or a request tells.", _rule("swallow"),
        (_CALLBACK, _COUNT, CLIENT), _chances(lambda name: {"callback": name, "n": 1}),
    ),
)  # fmt: skip
