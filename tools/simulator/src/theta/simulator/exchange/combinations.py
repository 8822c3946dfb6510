"""How a combination's net price is shared out among its legs."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from theta.simulator.market.contracts import Contract, Leg

_CENT = Decimal("0.01")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class LegPrice:
    """A leg, its contract and the price per share at which it trades."""

    leg: Leg
    contract: Contract
    price: Decimal


def weight(bag: Contract, leg: Leg, contract: Contract) -> Decimal:
    """What one USD per share of the leg adds to the net price of a buyer of the combination."""
    return Decimal(leg.sign * leg.ratio * contract.multiplier) / bag.multiplier


def net(bag: Contract, prices: Sequence[LegPrice]) -> Decimal:
    """The net price per share that the legs' prices add up to."""
    return sum((weight(bag, each.leg, each.contract) * each.price for each in prices), _ZERO)


def share_out(
    bag: Contract, legs: Sequence[tuple[Leg, Contract, Decimal]], price: Decimal
) -> list[LegPrice]:
    """Prices of the legs near their marks (the third part of each) that add up to ``price``.

    Whole cents, none negative, wherever the ratios allow it: the difference goes to the leg that
    can take it, the dearest first. A remainder that no leg can take in cents goes to one leg in
    fractions of a cent.
    """
    prices = [
        LegPrice(leg, contract, max(_CENT, mark.quantize(_CENT))) for leg, contract, mark in legs
    ]
    order = sorted(
        range(len(prices)),
        key=lambda i: (abs(_pull(bag, prices[i])), -prices[i].price),
    )
    for index in order:
        gap = price - net(bag, prices)
        if not gap:
            return prices
        each = prices[index]
        wanted = each.price + gap / _pull(bag, each)
        whole = max(_ZERO, wanted.quantize(_CENT))
        prices[index] = LegPrice(each.leg, each.contract, whole)
    gap = price - net(bag, prices)
    if gap:
        moved = {i: prices[i].price + gap / _pull(bag, prices[i]) for i in order}
        index = next((i for i in order if moved[i] >= 0), order[0])
        prices[index] = LegPrice(prices[index].leg, prices[index].contract, moved[index])
    return prices


def _pull(bag: Contract, each: LegPrice) -> Decimal:
    return weight(bag, each.leg, each.contract)
