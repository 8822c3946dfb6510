"""Historical and real-time bars as every negotiated version lays them out."""

from dataclasses import dataclass

from theta.simulator.wire.messages import Fields


@dataclass(frozen=True, slots=True)
class BarFields:
    """One bar; ``when`` is the text or epoch second that the client asked for."""

    when: str
    open: float
    high: float
    low: float
    close: float
    volume: int
    average: float
    count: int


def history(version: int, request: int, start: str, finish: str, bars: list[BarFields]) -> Fields:
    """All bars in one message; before version 124 each also says whether it has gaps."""
    fields: Fields = [17, request] if version >= 124 else [17, 3, request]
    fields += [start, finish, len(bars)]
    for bar in bars:
        fields += [bar.when, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average]
        if version < 124:
            fields.append("false")
        fields.append(bar.count)
    return fields


def update(request: int, bar: BarFields) -> Fields:
    """The bar that is still forming, of a request that keeps up to date."""
    return [
        90, request, bar.count, bar.when, bar.open, bar.close, bar.high, bar.low, bar.average,
        bar.volume,
    ]  # fmt: skip


def real_time(request: int, second: int, bar: BarFields) -> Fields:
    return [
        50, 3, request, second, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.average,
        bar.count,
    ]  # fmt: skip


def head(request: int, when: str) -> Fields:
    return [88, request, when]
