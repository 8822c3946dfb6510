"""Choosing one put among the quoted ones (wheel rule 1.6, without its defects).

Differences from the rule, on purpose: the delta limit is hard, a missing delta is never accepted,
ties are broken by terms and not by the order in which ticks arrived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from theta.common.domain.decisions import CandidateSeen, Reason
from theta.common.domain.instruments import Contract, Right
from theta.common.domain.quotes import Quote
from theta.strategy.domain.assess import PutNeed
from theta.strategy.domain.policy import WheelPolicy
from theta.strategy.domain.reasons import Code, reason
from theta.strategy.domain.snapshot import SeenQuote, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The chosen quote, `None` when no candidate survived, and every candidate with its refusals.

    Candidates are ordered by expiry, then strike.
    """

    chosen: SeenQuote | None
    candidates: tuple[CandidateSeen, ...]


def select_contract(need: PutNeed, snapshot: Snapshot, policy: WheelPolicy) -> Selection:
    """Return the survivor with the nearest expiry, then the highest absolute delta within limits.

    Candidates are the quoted or unknown puts of the need's expiries and strikes. Ties go to the
    higher strike.
    """
    seen: list[CandidateSeen] = []
    best: tuple[tuple[int, Decimal, Decimal], SeenQuote] | None = None
    for found in quoted_puts(need, snapshot):
        expiry, strike = terms_of(found.quote.contract)
        refused = tuple(_refusals(found, need, policy))
        seen.append(_candidate(found.quote, refused))
        if refused:
            continue
        assert found.quote.delta is not None
        rank = (-(expiry - need.today).days, abs(found.quote.delta), strike)
        if best is None or rank > best[0]:
            best = (rank, found)
    seen.extend(_unknown(contract) for contract in unknown_puts(need, snapshot))
    seen.sort(key=lambda one: (terms_of(one.contract), one.contract.multiplier))
    winner = best[1] if best is not None else None
    marked = tuple(
        replace(one, chosen=True)
        if winner is not None and one.contract is winner.quote.contract
        else one
        for one in seen
    )
    return Selection(chosen=winner, candidates=marked)


def quoted_puts(need: PutNeed, snapshot: Snapshot) -> list[SeenQuote]:
    """Return the quoted puts on the need's symbol at its expiries and strikes, in no order.

    Also those of other terms (an adjusted contract): they are refused by name, not overlooked.
    """
    expiries, strikes = set(need.expiries), set(need.strikes)
    return [
        seen
        for seen in snapshot.options.values()
        if seen.quote.contract.symbol == need.policy.symbol
        and seen.quote.contract.right is Right.PUT
        and seen.quote.contract.expiry in expiries
        and seen.quote.contract.strike in strikes
    ]


def unknown_puts(need: PutNeed, snapshot: Snapshot) -> list[Contract]:
    """Return the puts of the need's chain that the broker said it does not have, in no order."""
    found = []
    for key in snapshot.unknown:
        if key[0] == need.policy.symbol and key[3] and key[4]:
            contract = need.chain.put(date.fromisoformat(key[3]), Decimal(key[4]))
            if contract.economic_key == key and contract.expiry in need.expiries:
                found.append(contract)
    return found


def terms_of(contract: Contract) -> tuple[date, Decimal]:
    """Return expiry and strike of an option."""
    assert contract.expiry is not None
    assert contract.strike is not None
    return contract.expiry, contract.strike


def put_delta(quote: Quote) -> Decimal | None:
    """Return a put's delta as given; `None` when missing or impossible (above 0, or below −1)."""
    delta = quote.delta
    return delta if delta is not None and -1 <= delta <= 0 else None


def sale_price(quote: Quote) -> Decimal | None:
    """Return the higher of mid and model price, unrounded; `None` when the mid price is missing."""
    middle = quote.mid_price()
    if middle is None or quote.model_price is None:
        return middle
    return max(middle, quote.model_price)


def _refusals(seen: SeenQuote, need: PutNeed, policy: WheelPolicy) -> Iterable[Reason]:
    quote, put = seen.quote, need.policy
    expiry, strike = terms_of(quote.contract)
    if quote.contract.economic_key != need.chain.put(expiry, strike).economic_key:
        yield reason(
            Code.TERMS_DIFFER,
            "the contract's multiplier or currency is not the chain's",
            limit=f"{need.chain.multiplier} {need.chain.currency}",
            observed=f"{quote.contract.multiplier} {quote.contract.currency}",
        )
    if not seen.is_live():
        kind = quote.data_type.name.lower()
        yield reason(Code.QUOTE_NOT_LIVE, "the quote is not live", observed=kind)
    middle = quote.mid_price()
    if middle is None or quote.at is None:
        yield reason(Code.QUOTE_MISSING, "no price came")
    elif not quote.has_two_sides():
        yield reason(
            Code.QUOTE_ONE_SIDED, "the quote lacks a good side", observed=f"{quote.bid}/{quote.ask}"
        )
    elif not seen.is_fresh(policy.quote_age_max):
        yield reason(
            Code.QUOTE_STALE,
            "the quote is too old or not trusted",
            limit=f"{policy.quote_age_max.total_seconds():g} s",
            observed=quote.at.isoformat(),
        )
    if middle is not None and middle <= policy.minimum_credit:
        yield reason(
            Code.PRICE_BELOW_MINIMUM,
            "the price is not above minimum_credit",
            limit=policy.minimum_credit,
            observed=middle,
        )
    if middle is not None and strike > middle + need.price:
        yield reason(
            Code.STRIKE_WORTH_EXERCISING,
            "the strike is above the underlying plus the put's price",
            limit=middle + need.price,
            observed=strike,
        )
    yield from _greek_refusals(quote, put.delta_max)
    least = policy.minimum_open_interest
    if least > 0 and (quote.open_interest is None or quote.open_interest < least):
        yield reason(
            Code.OPEN_INTEREST_LOW,
            "open interest is too low or not known",
            limit=least,
            observed=quote.open_interest,
        )


def _greek_refusals(quote: Quote, limit: Decimal) -> Iterable[Reason]:
    delta = put_delta(quote)
    if delta is None:
        yield reason(Code.GREEKS_MISSING, "no delta that a put can have", observed=quote.delta)
    elif abs(delta) > limit:
        yield reason(
            Code.DELTA_ABOVE_LIMIT,
            "the delta is above the target delta",
            limit=limit,
            observed=abs(delta),
        )


def _candidate(quote: Quote, refused: tuple[Reason, ...], *, chosen: bool = False) -> CandidateSeen:
    return CandidateSeen(
        contract=quote.contract,
        bid=quote.bid,
        ask=quote.ask,
        delta=quote.delta,
        open_interest=quote.open_interest,
        refused=refused,
    )


def _unknown(terms: Contract) -> CandidateSeen:
    return CandidateSeen(
        contract=terms,
        bid=None,
        ask=None,
        delta=None,
        open_interest=None,
        refused=(reason(Code.CONTRACT_UNKNOWN, "the broker has no such contract"),),
    )
