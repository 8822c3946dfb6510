"""How positions change without an order of ours: expiry, assignment, exercise. Pure.

The broker's API tells none of these as an event: they are read from what vanished and from the
shares that moved. An explanation must account for every share, or there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from theta.common.domain.instruments import Contract, Right, SecType

EXPIRY = "expiry"
ASSIGNMENT = "assignment"
EXERCISE = "exercise"
SPLIT_SUSPECTED = "split_suspected"
POSITION = "position"
EXPLAINED = frozenset({EXPIRY, ASSIGNMENT, EXERCISE})
"""Kinds of difference that are recorded and change nothing."""

_SPLITS = tuple(Decimal(ratio) for ratio in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 50))
_CONTRACTS_MAX = 20_000
"""Of one underlying at once; above it nothing is explained, a person looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A holding that is not what the records say: signed shares or contracts, before and after."""

    contract: Contract
    was: Decimal
    now: Decimal

    @property
    def gone(self) -> Decimal:
        """Signed contracts that vanished; 0 when the holding grew or changed its side."""
        shrank = abs(self.now) < abs(self.was) and self.was * self.now >= 0
        return self.was - self.now if shrank else Decimal(0)

    @property
    def shares_each(self) -> Decimal:
        """Signed shares that the assignment or exercise of one held contract moves."""
        call = self.contract.right is Right.CALL
        side = 1 if self.was > 0 else -1
        return Decimal(self.contract.multiplier * side * (1 if call else -1))

    def expired(self, today: date) -> bool:
        """Whether nothing can be left of it: today is its last day, or later."""
        expiry = self.contract.expiry
        return expiry is not None and expiry <= today and self.now == 0


def explain_end(changes: Sequence[Change], *, today: date) -> list[tuple[Change, str]]:
    """Return each change of one underlying with the kind of difference that it is.

    Contracts that expired may have been delivered, all or some of them. Contracts that vanished
    before their expiry were, every one: without their shares they stay unexplained.
    """
    stocks = [one for one in changes if one.contract.sec_type is SecType.STOCK]
    options = [one for one in changes if one.contract.sec_type is SecType.OPTION]
    moved = sum((one.now - one.was for one in stocks), Decimal(0))
    expired = [one for one in options if one.expired(today)]
    early = [one for one in options if one not in expired and one.gone]
    other = [one for one in options if one not in expired and not one.gone]
    found = _fitting(moved, expired, early) if len(stocks) <= 1 else None
    result = [(one, POSITION) for one in other]
    if found is None:
        # Expiry itself needs no shares; what moved the stock is not known.
        result += [(one, EXPIRY) for one in expired]
        result += [(one, POSITION) for one in early]
        return result + [(one, _of_stock(one)) for one in stocks]
    delivered, with_early = found
    for one in expired:
        result.append((one, _delivered_kind(one) if one in delivered else EXPIRY))
    result += [(one, _delivered_kind(one) if with_early else POSITION) for one in early]
    kind = ASSIGNMENT if any(one.was < 0 for one in delivered) else EXERCISE
    return result + [(one, kind) for one in stocks]


def _fitting(
    moved: Decimal, expired: Sequence[Change], early: Sequence[Change]
) -> tuple[list[Change], bool] | None:
    """Return which changes moved exactly `moved` shares, and whether the early ones are among them.

    `None` when nothing fits. With the early ones first: they have no other explanation.
    """
    early_shares = sum((one.shares_each * abs(one.gone) for one in early), Decimal(0))
    if early and (moved or early_shares):
        chosen = _choose(moved - early_shares, expired)
        if chosen is not None:
            return [*early, *chosen], True
    chosen = _choose(moved, expired)
    return None if chosen is None else (chosen, False)


def _choose(moved: Decimal, expired: Sequence[Change]) -> list[Change] | None:
    """Return the expired holdings of which some contracts moved exactly `moved` shares, or `None`.

    Whole holdings are tried before parts: the broker assigns some of several only at the money.
    """
    if sum(abs(one.gone) for one in expired) > _CONTRACTS_MAX:
        return None
    for parts in (False, True):
        # How each reachable number of shares was reached, holding by holding.
        reached: dict[Decimal, tuple[Change, ...]] = {Decimal(0): ()}
        for one in expired:
            counts = range(1, int(abs(one.gone)) + 1) if parts else [abs(one.gone)]
            for shares, way in list(reached.items()):
                for count in counts:
                    reached.setdefault(shares + one.shares_each * count, (*way, one))
        if moved in reached:
            return list(reached[moved])
    return None


def _delivered_kind(change: Change) -> str:
    return ASSIGNMENT if change.was < 0 else EXERCISE


def _of_stock(change: Change) -> str:
    """Return what shares that nothing explains look like: a split, or just different."""
    if change.was and change.now:
        ratios = (change.now / change.was, change.was / change.now)
        if any(ratio in _SPLITS for ratio in ratios):
            return SPLIT_SUSPECTED
    return POSITION
