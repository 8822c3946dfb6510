"""Prices that a person set, as ratios to the seeded paths."""

from typing import Any


class Shifts(dict[str, float]):
    """The ratio in force by symbol, 1 for one that nobody moved; and since when."""

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[str, list[tuple[float, float]]] = {}

    def at(self, symbol: str, epoch: float | None) -> float:
        """The ratio at ``epoch``, or the last one."""
        found = self.get(symbol, 1.0)
        if epoch is not None:
            for since, before in reversed(self._before.get(symbol, ())):
                if epoch >= since:
                    break
                found = before
        return found

    def move(self, symbol: str, factor: float, epoch: float) -> None:
        """Multiply the ratio by ``factor`` from the second of ``epoch`` on."""
        before = self.get(symbol, 1.0)
        self._before.setdefault(symbol, []).append((float(int(epoch)), before))
        self[symbol] = before * factor

    def dump(self, symbol: str) -> dict[str, Any]:
        """What ``restore`` takes."""
        return {"factor": self.get(symbol, 1.0), "before": self._before.get(symbol, [])}

    def restore(self, symbol: str, stored: dict[str, Any]) -> None:
        """Take up what ``dump`` gave; without its history the ratio counts as if ever in force."""
        self[symbol] = float(stored["factor"])
        self._before[symbol] = [(float(at), float(was)) for at, was in stored.get("before", [])]
