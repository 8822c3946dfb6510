"""How the exchange and the gateway in front of it behave; every draw hangs on a stable key."""

from dataclasses import dataclass

from theta.simulator.randomness import between, unit, whole


@dataclass(slots=True)
class Behaviour:
    """Knobs of behaviour. Times are process milliseconds; probabilities are 0..1.

    ``polite`` answers at once, in order, once, with every identifier in place. ``hazard_seconds``
    is the mean wait
    in market seconds of an order resting at the far side of the spread.
    """

    seed: int
    polite: bool = False
    ack_ms: tuple[int, int] = (20, 300)
    tick_ms: tuple[int, int] = (100, 300)
    fill_probability: float = 1.0
    hazard_seconds: float = 120.0
    pacing: bool = True
    read_only: bool = False
    master_client_id: int | None = None
    """The client that hears of every order and execution, whoever placed it."""

    early_assignment: float = 0.9
    """Probability that a short call is assigned the night before an ex-date where that pays."""

    commission_plan: str = "fixed"
    """Stocks: fixed or tiered."""

    def ack_delay(self, key: str, step: str) -> float:
        """Seconds until the broker answers ``step`` of an order."""
        if self.polite:
            return 0.001
        return between(*self.ack_ms, self.seed, "ack", key, step) / 1000

    def tick_delay(self, key: str) -> float:
        """Seconds from a market-data request to its first tick."""
        return between(*self.tick_ms, self.seed, "tick", key) / 1000

    def doubles(self, key: str, step: str) -> bool:
        """Whether a status is sent twice (four times in ten)."""
        return not self.polite and unit(self.seed, "double", key, step) < 0.4

    def withholds_status(self, key: str) -> bool:
        """Whether a fill comes without its order status (one in ten)."""
        return not self.polite and unit(self.seed, "withhold", key) < 0.1

    def ever_fills(self, key: str) -> bool:
        return unit(self.seed, "fills", key) < self.fill_probability

    def slices(self, key: str, quantity: int) -> list[int]:
        """How a marketable quantity splits into executions: in two pieces three times in ten."""
        if self.polite or quantity < 2 or unit(self.seed, "split", key) >= 0.3:
            return [quantity]
        first = whole(1, quantity - 1, self.seed, "slice", key)
        return [first, quantity - first]
