"""Which options to ask quotes for: few, since each costs two messages at the broker.

The winner is the put of the nearest expiry with the highest delta within the limit. So only strikes
around that delta are asked for: three in the first round, placed by the volatility of daily closes;
up to three in the second, placed by the deltas that came back. Asking for the highest strikes of
the chain, as rule 1.6 says, would on a fine grid see puts in the money only.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

from theta.common.domain.instruments import Contract
from theta.strategy.domain.assess import NoNeed, PutNeed, assess
from theta.strategy.domain.policy import WheelPolicy
from theta.strategy.domain.reasons import Code
from theta.strategy.domain.select_contract import (
    Selection,
    put_delta,
    quoted_puts,
    select_contract,
    terms_of,
    unknown_puts,
)
from theta.strategy.domain.snapshot import Snapshot
from theta.strategy.domain.volatility import (
    TRADING_DAYS_PER_YEAR,
    daily_stddev,
    probit,
    put_strike_at,
)

QUOTES_PER_ROUND = 3
"""Per symbol. Two rounds are 12 messages, with the underlying and its closes 15."""
VOLATILITY_ASSUMED = 0.20
"""Annual, where the closes do not tell."""
VOLATILITY_MIN, VOLATILITY_MAX = 0.05, 2.0
_PROBES = (1.0, 1.4, 0.6)
"""Multiples of the delta limit that the first round aims at: it, and one on each side."""
_ROUND_STRIKE = 5
_BELOW = (1.0, 0.98, 0.95)
"""Ratios of the aim asked for when no delta within the limit was seen: one of them must be."""
_NEIGHBOURS = (0, 1, -1, -2, -3)
"""Steps from the highest strike believed within the limit, in the order of their worth."""


def plan_quotes(snapshot: Snapshot, policy: WheelPolicy, now: datetime) -> tuple[Contract, ...]:
    """Return the options of the first round, at most three for each symbol that needs a put."""
    wanted: list[Contract] = []
    for need in _needs(snapshot, policy, now):
        wanted.extend(_puts(need, need.expiries[0], _estimated(need, need.expiries[0]), snapshot))
    return tuple(wanted)


def plan_more_quotes(
    snapshot: Snapshot, policy: WheelPolicy, now: datetime
) -> tuple[Contract, ...]:
    """Return the options of the second round: at most three a symbol, only what could still win."""
    wanted: list[Contract] = []
    for need in _needs(snapshot, policy, now):
        selection = select_contract(need, snapshot, policy)
        wanted.extend(_second_round(need, selection, snapshot))
    return tuple(wanted)


def _needs(snapshot: Snapshot, policy: WheelPolicy, now: datetime) -> Iterable[PutNeed]:
    for put in policy.symbols:
        need = assess(put, snapshot, policy, now)
        if not isinstance(need, NoNeed):
            yield need


def _second_round(need: PutNeed, selection: Selection, snapshot: Snapshot) -> list[Contract]:
    first, best = need.expiries[0], _strike_of(selection)
    absent = sum(contract.expiry == first for contract in unknown_puts(need, snapshot))
    points = _delta_points(need, first, snapshot)
    reached = any(delta <= need.policy.delta_max for _, delta in points)
    sparse = absent > QUOTES_PER_ROUND // 2 or (absent > 0 and not reached)
    strikes = _round_strikes(need.strikes) if sparse else need.strikes
    if points and (best is not None or _worth_staying(selection)):
        aim = _interpolated(points, float(need.policy.delta_max))
        if reached:
            top = _index_at(strikes, aim)
            near = [strikes[top + step] for step in _NEIGHBOURS if 0 <= top + step < len(strikes)]
        else:
            near = [strikes[_index_at(strikes, aim * ratio)] for ratio in _BELOW]
            near = list(dict.fromkeys(near))
        over = [strike for strike, delta in points if delta > need.policy.delta_max]
        could_win = [
            strike
            for strike in near
            if (best is None or strike > best) and not any(strike >= limit for limit in over)
        ]
        found = _puts(need, first, could_win, snapshot)
        if found or best is not None:
            return found
    if not points and sparse:
        return _puts(need, first, _estimated(need, first, strikes), snapshot)
    if len(need.expiries) == 1:
        return []
    return _puts(need, need.expiries[1], _estimated(need, need.expiries[1]), snapshot)


def _round_strikes(strikes: Sequence[Decimal]) -> Sequence[Decimal]:
    """Return the multiples of 5, which exist where finer strikes are left out; all if there are
    none.
    """
    return [strike for strike in strikes if strike % _ROUND_STRIKE == 0] or strikes


def _worth_staying(selection: Selection) -> bool:
    """Tell whether another strike of the same expiry may survive where these did not.

    A price too low within the delta limit only gets lower with the strike.
    """
    within = [
        {one.code for one in candidate.refused}
        for candidate in selection.candidates
        if not {Code.DELTA_ABOVE_LIMIT, Code.GREEKS_MISSING, Code.CONTRACT_UNKNOWN}
        & {one.code for one in candidate.refused}
    ]
    return not within or any(codes == {Code.OPEN_INTEREST_LOW} for codes in within)


def _strike_of(selection: Selection) -> Decimal | None:
    return None if selection.chosen is None else selection.chosen.quote.contract.strike


def _estimated(
    need: PutNeed, expiry: date, among: Sequence[Decimal] | None = None
) -> list[Decimal]:
    """Return up to three strikes of `expiry` around the delta limit, the likeliest first."""
    strikes = need.strikes if among is None else among
    deviation = daily_stddev(need.closes)
    volatility = VOLATILITY_ASSUMED
    if deviation is not None:
        volatility = deviation * math.sqrt(TRADING_DAYS_PER_YEAR)
    volatility = min(max(volatility, VOLATILITY_MIN), VOLATILITY_MAX)
    limit = float(need.policy.delta_max)
    days = (expiry - need.today).days
    picked: list[Decimal] = []
    for multiple in _PROBES:
        delta = min(limit * multiple, 0.95)
        strike = put_strike_at(delta, price=float(need.price), volatility=volatility, days=days)
        index = _index_at(strikes, strike)
        # On a coarse grid the probes meet: the next free strike below is asked for instead.
        while index > 0 and strikes[index] in picked:
            index -= 1
        if strikes[index] not in picked:
            picked.append(strikes[index])
    return picked


def _delta_points(need: PutNeed, expiry: date, snapshot: Snapshot) -> list[tuple[Decimal, Decimal]]:
    """Return (strike, absolute delta) of the expiry's quoted puts, by ascending strike."""
    points = []
    for seen in quoted_puts(need, snapshot):
        at, strike = terms_of(seen.quote.contract)
        delta = put_delta(seen.quote)
        if at == expiry and delta is not None:
            points.append((strike, abs(delta)))
    return sorted(points)


def _interpolated(points: Sequence[tuple[Decimal, Decimal]], limit: float) -> float:
    """Return the strike at which the delta meets `limit`.

    The normal quantile of a put's delta is nearly a line over the logarithm of its strike, skew
    included, so two points say where the limit lies.
    """
    line = [(math.log(float(strike)), probit(float(delta))) for strike, delta in points]
    goal = probit(limit)
    if len(line) == 1:
        return math.exp(line[0][0]) * (1.01 if line[0][1] < goal else 0.99)
    ordered = sorted(line, key=lambda point: abs(point[1] - goal))[:2]
    (x0, y0), (x1, y1) = sorted(ordered)
    if y1 <= y0:
        return math.exp(x0)
    step = (x1 - x0) * (goal - y0) / (y1 - y0)
    # Two points close together say little about a limit far away.
    return math.exp(x0 + min(max(step, -0.5), 0.5))


def _index_at(strikes: Sequence[Decimal], strike: float) -> int:
    """Return the index of the highest strike not above `strike`, 0 when all are above."""
    return max(0, bisect_right(strikes, Decimal(str(strike))) - 1)


def _puts(
    need: PutNeed, expiry: date, strikes: Iterable[Decimal], snapshot: Snapshot
) -> list[Contract]:
    """Return at most a round's puts of these strikes that were neither quoted nor unknown."""
    found = []
    for strike in strikes:
        contract = need.chain.put(expiry, strike)
        key = contract.economic_key
        if key not in snapshot.options and key not in snapshot.unknown:
            found.append(contract)
    return found[:QUOTES_PER_ROUND]
