"""The decision: from what was gathered to one decision for each configured symbol."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

from theta.common.domain.decisions import CandidateSeen, Decision, Outcome, ProposedOrder
from theta.common.domain.money import round_to_tick_down, round_to_tick_up
from theta.common.domain.orders import Action, Effect, IntentKind
from theta.strategy.domain.assess import NoNeed, PutNeed, assess
from theta.strategy.domain.policy import PutPolicy, WheelPolicy
from theta.strategy.domain.reasons import Code, reason
from theta.strategy.domain.select_contract import sale_price, select_contract
from theta.strategy.domain.snapshot import SeenQuote, Snapshot

VALIDITY = timedelta(minutes=30)
"""Market time for which a proposed order holds, or until the close if that is earlier.

Long enough that a simulator whose market runs sixty times faster still leaves half a minute of
process time.
"""


def decide(snapshot: Snapshot, policy: WheelPolicy, now: datetime) -> tuple[Decision, ...]:
    """Return exactly one decision per configured symbol, in the configuration's order.

    `now` is market time. The first reason of a decision is the one that decided; the others are the
    facts that led there. Symbols do not influence each other: what is missing for one blocks it
    alone. Pure, and the same inputs give the same decisions.
    """
    return tuple(_decide_put(put, snapshot, policy, now) for put in policy.symbols)


def _decide_put(put: PutPolicy, snapshot: Snapshot, policy: WheelPolicy, now: datetime) -> Decision:
    need = assess(put, snapshot, policy, now)
    if isinstance(need, NoNeed):
        return Decision(
            symbol=put.symbol, kind=IntentKind.WRITE, outcome=need.outcome, reasons=need.reasons
        )
    selection = select_contract(need, snapshot, policy)
    if selection.chosen is None:
        codes = Counter(one.code for seen in selection.candidates for one in seen.refused)
        summary = ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))
        none = reason(
            Code.NO_CONTRACT,
            f"none of {len(selection.candidates)} contracts passed: {summary or 'none was quoted'}",
            limit=1,
            observed=0,
        )
        return Decision(
            symbol=put.symbol,
            kind=IntentKind.WRITE,
            outcome=Outcome.BLOCKED,
            reasons=(none, *need.facts),
            candidates=selection.candidates,
        )
    return _proposal(need, selection.chosen, selection.candidates, snapshot, policy, now)


def _proposal(
    need: PutNeed,
    chosen: SeenQuote,
    candidates: tuple[CandidateSeen, ...],
    snapshot: Snapshot,
    policy: WheelPolicy,
    now: datetime,
) -> Decision:
    order = _order(need, chosen, snapshot, policy, now)
    delta = chosen.quote.delta
    assert delta is not None
    proposed = reason(
        Code.PUT_PROPOSED,
        f"sell {order.quantity} {order.contract.describe()} at {order.limit_price} or more",
        limit=need.policy.delta_max,
        observed=abs(delta),
    )
    return Decision(
        symbol=need.policy.symbol,
        kind=IntentKind.WRITE,
        outcome=Outcome.ORDER,
        reasons=(proposed, *need.facts),
        candidates=candidates,
        order=order,
    )


def _order(
    need: PutNeed, chosen: SeenQuote, snapshot: Snapshot, policy: WheelPolicy, now: datetime
) -> ProposedOrder:
    """Price the sale: the higher of mid and model, rounded up to the tick.

    The floor of later repricing is the bid of the decision, never below the minimum credit nor
    above the limit; the ceiling is the ask of the decision, never below the limit.
    """
    quote, tick = chosen.quote, need.chain.min_tick
    fair = sale_price(quote)
    assert fair is not None
    least = max(round_to_tick_up(policy.minimum_credit, tick), tick)
    limit = max(round_to_tick_up(fair, tick), least)
    bid = round_to_tick_down(quote.bid, tick) if quote.bid is not None else Decimal(0)
    ask = round_to_tick_up(quote.ask, tick) if quote.ask is not None else limit
    expires = now + VALIDITY
    if snapshot.session is not None:
        expires = min(expires, snapshot.session.close_at)
    return ProposedOrder(
        contract=quote.contract,
        action=Action.SELL,
        quantity=need.contracts,
        limit_price=limit,
        price_floor=min(max(bid, least), limit),
        price_ceiling=max(ask, limit),
        kind=IntentKind.WRITE,
        effect=Effect.OPENING,
        expires_market_at=expires,
        quote=quote.to_record(),
    )
