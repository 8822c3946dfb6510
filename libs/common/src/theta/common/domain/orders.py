"""Order intents and child orders: states, legal transitions, identity.

The table below is order-protocol §2. PostgreSQL enforces the same table by trigger; a test compares
the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType


class OrderState(StrEnum):
    """States of an intent; from `approved` on, also of each child order."""

    PROPOSED = "proposed"
    HELD = "held"
    APPROVED = "approved"
    SUBMITTING = "submitting"
    WORKING = "working"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REJECTED_BY_BROKER = "rejected_by_broker"
    ABSENT = "absent"
    WITHDRAWN = "withdrawn"
    NEEDS_PERSON = "needs_person"


_S = OrderState

TRANSITIONS: Mapping[OrderState, frozenset[OrderState]] = MappingProxyType(
    {
        _S.PROPOSED: frozenset({_S.APPROVED, _S.HELD, _S.REJECTED, _S.EXPIRED, _S.WITHDRAWN}),
        _S.HELD: frozenset({_S.PROPOSED, _S.REJECTED, _S.EXPIRED, _S.WITHDRAWN}),
        _S.APPROVED: frozenset({_S.SUBMITTING, _S.EXPIRED, _S.WITHDRAWN, _S.REJECTED}),
        _S.SUBMITTING: frozenset(
            {_S.WORKING, _S.FILLED, _S.CANCELLED, _S.REJECTED_BY_BROKER, _S.UNKNOWN}
        ),
        _S.UNKNOWN: frozenset(
            {
                _S.WORKING,
                _S.FILLED,
                _S.CANCELLED,
                _S.EXPIRED,
                _S.REJECTED_BY_BROKER,
                _S.ABSENT,
                _S.NEEDS_PERSON,
            }
        ),
        _S.WORKING: frozenset(
            {_S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.REJECTED_BY_BROKER, _S.UNKNOWN}
        ),
        _S.NEEDS_PERSON: frozenset({_S.WORKING, _S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.ABSENT}),
        # Only on evidence from the broker, and a person is paged: see `needs_page`.
        _S.ABSENT: frozenset({_S.WORKING, _S.FILLED}),
        _S.CANCELLED: frozenset({_S.WORKING, _S.FILLED}),
        _S.EXPIRED: frozenset({_S.WORKING, _S.FILLED, _S.NEEDS_PERSON}),
        _S.REJECTED_BY_BROKER: frozenset({_S.WORKING, _S.FILLED}),
        # Only when marked inferred, when a statement contradicts it.
        _S.FILLED: frozenset({_S.NEEDS_PERSON}),
        _S.REJECTED: frozenset(),
        _S.WITHDRAWN: frozenset(),
    }
)

FINAL: frozenset[OrderState] = frozenset(
    {
        _S.FILLED,
        _S.CANCELLED,
        _S.EXPIRED,
        _S.REJECTED,
        _S.REJECTED_BY_BROKER,
        _S.ABSENT,
        _S.WITHDRAWN,
    }
)
"""States in which nothing more is expected. Late evidence may still leave some of them."""

POSSIBLY_LIVE: frozenset[OrderState] = frozenset(
    {_S.SUBMITTING, _S.WORKING, _S.UNKNOWN, _S.NEEDS_PERSON}
)
"""States in which the broker may hold an order that can fill."""

UNSENT: frozenset[OrderState] = frozenset({_S.PROPOSED, _S.HELD, _S.APPROVED})
"""States before anything could have reached the broker; a halt withdraws openings among them."""

REOPENED_BY_EVIDENCE: frozenset[OrderState] = frozenset(
    {_S.ABSENT, _S.CANCELLED, _S.EXPIRED, _S.REJECTED_BY_BROKER}
)
"""Final states that broker evidence alone may leave, paging a person."""

CHILD_STATES: frozenset[OrderState] = frozenset(OrderState) - {
    _S.PROPOSED,
    _S.HELD,
    _S.REJECTED,
    _S.WITHDRAWN,
}
"""States that a child order may have. It is born `approved`."""


def may_become(current: OrderState, target: OrderState) -> bool:
    """Tell whether order-protocol §2 allows `current` → `target`. Staying is not a transition."""
    return target in TRANSITIONS[current]


def needs_page(current: OrderState, target: OrderState) -> bool:
    """Tell whether a legal `current` → `target` must page a person."""
    return current in REOPENED_BY_EVIDENCE or target is OrderState.NEEDS_PERSON


def intent_state_of(children: Iterable[OrderState]) -> OrderState:
    """Return an intent's state from its children's, when no replacement is due.

    A possibly live child decides, the least certain first; else the newest child's final state,
    except that any fill makes the intent `filled` only if the newest child is filled. Raises
    ValueError without children.
    """
    states = list(children)
    if not states:
        raise ValueError("an intent without children has no derived state")
    for state in (_S.NEEDS_PERSON, _S.UNKNOWN, _S.SUBMITTING, _S.WORKING, _S.APPROVED):
        if state in states:
            return state
    return states[-1]


class Action(StrEnum):
    """The side of an order."""

    BUY = "BUY"
    SELL = "SELL"


class IntentKind(StrEnum):
    """What an intent is for."""

    WRITE = "write"
    ROLL = "roll"
    CLOSE = "close"
    MANUAL = "manual"
    FLATTEN = "flatten"
    ORPHAN = "orphan"
    """Adopted: the broker showed an order with our prefix that the database lacked."""


class Effect(StrEnum):
    """What an intent does to risk. A roll counts as an opening."""

    OPENING = "opening"
    REDUCING = "reducing"


class TradingState(StrEnum):
    """How much trading is allowed; of several scopes the strictest wins."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


_STRICTNESS = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


def strictest(states: Iterable[TradingState]) -> TradingState:
    """Return the strictest of `states`; HALTED for none, since no row means halted."""
    return max(states, key=_STRICTNESS.__getitem__, default=TradingState.HALTED)


def gate_allows(state: TradingState, *, effect: Effect, kind: IntentKind) -> bool:
    """Tell whether an order may pass a gate in `state` (order-protocol §4).

    `reducing` lets pass what reduces risk; `halted` nothing but an explicit flatten. Size is
    checked elsewhere.
    """
    if state is TradingState.ACTIVE:
        return True
    if state is TradingState.REDUCING:
        return effect is Effect.REDUCING
    return kind is IntentKind.FLATTEN and effect is Effect.REDUCING


INSTALLATION_PATTERN = re.compile(r"^[a-z0-9]{2,12}$")
_ORDER_REF = re.compile(r"^([a-z0-9]{2,12})-[a-z2-7]{20}$")


def make_order_ref(installation: str, token: str) -> str:
    """Return `<installation>-<token>`, the identity of a child order at the broker.

    `token` is 20 characters of `[a-z2-7]` from a secure random source. Raises ValueError on any
    other shape.
    """
    order_ref = f"{installation}-{token}"
    if not _ORDER_REF.match(order_ref):
        raise ValueError(f"{order_ref!r} is not <installation>-<20 characters of a-z2-7>")
    return order_ref


def is_ours(order_ref: str | None, installation: str) -> bool:
    """Tell whether `order_ref` was made by this installation. `None` and empty are foreign."""
    match = _ORDER_REF.match(order_ref or "")
    return match is not None and match.group(1) == installation
