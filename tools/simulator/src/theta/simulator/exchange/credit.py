"""Whether an account can carry an order, and what the order would change: the what-if figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from theta.simulator.exchange.account import CENT, Account, Standing
from theta.simulator.exchange.commissions import PLANS, charge
from theta.simulator.exchange.model import Order, OrderRequest
from theta.simulator.exchange.rules import Refusal
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Standing without and with the order as if it traded now, and its commission, USD."""

    before: Standing
    after: Standing
    commission: Decimal

    @property
    def taken(self) -> Decimal:
        """Available funds that the order takes; 0 when it frees some."""
        return max(_ZERO, self.before.available - self.after.available)


def legs_of(market: Market, contract: Contract) -> list[tuple[Contract, int]]:
    """The contracts that change hands, and how many per unit bought (negative: sold)."""
    if not contract.is_combination:
        return [(contract, 1)]
    found: list[tuple[Contract, int]] = []
    for leg in contract.legs:
        held = market.book.by_id(leg.con_id)
        if held is None:
            raise KeyError(leg.con_id)
        found.append((held, leg.sign * leg.ratio))
    return found


def fee_of(
    legs: Iterable[tuple[Contract, int]],
    account: Account,
    quantity: Decimal,
    now: float,
    plan: str,
) -> Decimal:
    """The commission of an order of ``quantity`` units at today's marks."""
    total = _ZERO
    for contract, ratio in legs:
        mark = account.mark(contract, now)
        total += charge(contract, abs(ratio) * quantity, mark, plan=PLANS[plan])[0]
    return total


def what_if(
    market: Market,
    account: Account,
    contract: Contract,
    request: OrderRequest,
    now: float,
    plan: str = "fixed",
) -> WhatIf:
    """What an order would change if it traded in full at the price it can expect.

    A purchase counts at its limit or the offer, whichever is lower; a sale at the mark.
    """
    legs = legs_of(market, contract)
    sign = 1 if request.is_buy else -1
    units: dict[Contract, Decimal] = {}
    paid = _ZERO
    for leg, ratio in legs:
        signed = sign * ratio * request.quantity
        units[leg] = units.get(leg, _ZERO) + signed
        paid += signed * account.mark(leg, now) * leg.multiplier
    if request.is_buy and request.limit is not None and contract.sec_type != "STK":
        offer = market.quote(contract, now).ask
        price = request.limit
        if offer is not None:
            price = min(price, Decimal(str(round(offer, 4))))
        paid = price * request.quantity * contract.multiplier
    fee = fee_of(legs, account, request.quantity, now, plan)
    before = account.standing(now)
    return WhatIf(before, account.standing(now, units, -paid - fee), fee)


class Reservations:
    """Available funds that the working orders of each account take, all together."""

    def __init__(self) -> None:
        self._orders: dict[int, Decimal] = {}
        self._accounts: dict[str, Decimal] = {}

    def count(self, order: Order) -> None:
        """Take notice of an order that is new, or has traded, changed or ended."""
        due = _ZERO
        if order.reserved and not order.is_final:
            due = order.reserved
            if order.filled:
                due = due * order.remaining / order.quantity
        before = self._orders.pop(order.perm_id, _ZERO)
        if due:
            self._orders[order.perm_id] = due
        if due != before:
            total = self._accounts.get(order.account, _ZERO)
            self._accounts[order.account] = total + due - before

    def besides(self, account: str, order: Order | None = None) -> Decimal:
        """What the account's working orders take, without ``order``."""
        total = self._accounts.get(account, _ZERO)
        return total - self._orders.get(order.perm_id, _ZERO) if order is not None else total


def refusal(
    market: Market, account: Account, contract: Contract, request: OrderRequest,
    figures: WhatIf, others: Decimal,
) -> Refusal | None:  # fmt: skip
    """Why the account cannot carry the order next to its ``others`` at work.

    An order that closes, or that frees available funds, is never refused on margin.
    """
    if account.cash_account:
        found = _without_loan(market, account, contract, request)
        if found is not None:
            return found
    held = account.quantity(contract.con_id)
    signed = request.quantity if request.is_buy else -request.quantity
    closes = held * signed < 0 and abs(signed) <= abs(held)
    after = figures.after
    if closes or not figures.taken or after.available - others >= 0:
        return None
    if account.cash_account:
        there = (figures.before.available - others).quantize(CENT)
        need = (figures.taken + others).quantize(CENT)
        return _rejected(
            f"CASH AVAILABLE: {there + others:.2f};"
            f" CASH NEEDED FOR THIS ORDER AND OTHER PENDING ORDERS: {need:.2f}"
        )
    equity, initial = (after.equity - others).quantize(CENT), after.initial.quantize(CENT)
    return _rejected(
        "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED"
        f" POSITION YOUR EQUITY WITH LOAN VALUE [{equity} USD] MUST EXCEED THE INITIAL MARGIN"
        f" [{initial} USD]"
    )


def _rejected(reason: str) -> Refusal:
    return 201, f"Order rejected - reason:{reason}"


def _without_loan(
    market: Market, account: Account, contract: Contract, request: OrderRequest
) -> Refusal | None:
    """A cash account neither shorts shares nor writes calls that no shares cover."""
    for leg, ratio in legs_of(market, contract):
        signed = ratio * request.quantity * (1 if request.is_buy else -1)
        if signed >= 0:
            continue
        left = account.quantity(leg.con_id) + signed
        if leg.sec_type == "STK" and left < 0:
            return _rejected("THIS ACCOUNT IS A CASH ACCOUNT AND CANNOT HOLD SHORT STOCK POSITIONS")
        if leg.is_option and leg.is_call and left < 0:
            shares = account.quantity(leg.under_con_id)
            for other, other_ratio in legs_of(market, contract):
                if other.con_id == leg.under_con_id:
                    shares += other_ratio * request.quantity * (1 if request.is_buy else -1)
            if shares < -left * leg.shares:
                return _rejected("A CASH ACCOUNT CANNOT HOLD UNCOVERED SHORT CALLS")
    return None
