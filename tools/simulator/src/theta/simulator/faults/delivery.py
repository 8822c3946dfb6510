"""Delays, swaps, doubles or swallows messages on their way to a client, by the kind of callback."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from theta.simulator.gateway.session import Session

CALLBACKS: Final[dict[str, frozenset[int]]] = {
    "openOrder": frozenset({5}),
    "orderStatus": frozenset({3}),
    "execDetails": frozenset({11}),
    "commissionReport": frozenset({59}),
    "position": frozenset({61, 71}),
    "account": frozenset({6, 7, 8, 63, 73, 94, 95}),
    "tick": frozenset({1, 2, 21, 45, 46, 47, 58, 81}),
}
"""Message numbers of each kind of callback; ``account`` includes the portfolio and profit and
loss."""


@dataclass(slots=True)
class Rule:
    """What happens to the next ``left`` messages of a kind (``None``: to every one).

    ``action`` is delay, reorder, duplicate or swallow. ``seconds`` is the delay, or how long a
    message waits for a later one to overtake it. ``times`` is how many extra copies are sent.
    """

    action: str
    callback: str
    left: int | None = None
    seconds: float = 0.0
    times: int = 1
    client_id: int | None = None

    def takes(self, session: "Session", number: int) -> bool:
        """Whether this rule acts on the message; counts it if so."""
        if number not in CALLBACKS[self.callback] or self.left == 0:
            return False
        if self.client_id is not None and self.client_id != session.client_id:
            return False
        if self.left is not None:
            self.left -= 1
        return True

    def describe(self) -> str:
        more = "" if self.left is None else f" ({self.left} left)"
        return f"{self.action} {self.callback}{more}"


class Delivery:
    """The armed rules. A message that no rule takes leaves at once."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._waiting: dict[Session, list[list[object]]] = {}

    def clear(self) -> None:
        """Forget every rule; what waits to be overtaken leaves now."""
        self.rules.clear()
        for session in list(self._waiting):
            self._overtaken(session)

    def forget(self, session: "Session") -> None:
        """Drop what waits for a connection that has gone."""
        self._waiting.pop(session, None)

    def deliver(self, session: "Session", fields: "list[object]") -> None:
        """Send ``fields`` to the client as the first rule that takes them says."""
        number = int(str(fields[0]))
        rule = next((rule for rule in self.rules if rule.takes(session, number)), None)
        if rule is None:
            session.outbox.put(fields)
            self._overtaken(session)
        elif rule.action == "delay":
            session.later(rule.seconds, lambda: session.outbox.put(fields))
        elif rule.action == "duplicate":
            for _ in range(1 + rule.times):
                session.outbox.put(fields)
        elif rule.action == "reorder":
            self._waiting.setdefault(session, []).append(fields)
            session.later(rule.seconds, lambda: self._overtaken(session))
        self.rules = [rule for rule in self.rules if rule.left != 0]

    @property
    def active(self) -> bool:
        """Whether messages have to pass here."""
        return bool(self.rules or self._waiting)

    def _overtaken(self, session: "Session") -> None:
        """Send what waited, the newest first."""
        for fields in reversed(self._waiting.pop(session, [])):
            session.outbox.put(fields)
