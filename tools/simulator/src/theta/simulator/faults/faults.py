"""Faults armed by the control API and what they do when their moment comes."""

from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    """Armed faults; every counter counts down as it strikes."""

    swallow_acks: int = 0
    hang_after_place: int = 0
    refuse_order: tuple[int, str] | None = None
    fill_on_disconnect: str | None = None
    """An order reference, ``*`` for every order of the client that disconnects."""

    delay_callbacks: float = 0.0
    refuse_connections_until: float = 0.0
    upstream_lost: bool = False

    def clear(self) -> None:
        """Disarm everything."""
        self.swallow_acks = 0
        self.hang_after_place = 0
        self.refuse_order = None
        self.fill_on_disconnect = None
        self.delay_callbacks = 0.0
        self.refuse_connections_until = 0.0

    def takes_ack(self) -> bool:
        """Whether the acknowledgement of this placement is swallowed."""
        struck = self.swallow_acks > 0
        self.swallow_acks -= struck
        return struck

    def takes_connection(self) -> bool:
        """Whether this placement is accepted and the connection then cut."""
        struck = self.hang_after_place > 0
        self.hang_after_place -= struck
        return struck

    def takes_order(self) -> tuple[int, str] | None:
        """Code and text with which this placement is refused."""
        refusal, self.refuse_order = self.refuse_order, None
        return refusal
