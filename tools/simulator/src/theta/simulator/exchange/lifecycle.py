"""What happens to positions without a trade: expiry, assignment, dividends, splits, interest.

Nothing happens between the turns of time listed by ``boundaries``: every New York midnight, and
the opening on which a dividend or split takes effect.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Final

from theta.simulator.exchange.account import CENT, Account
from theta.simulator.exchange.behaviour import Behaviour
from theta.simulator.exchange.booking import Books
from theta.simulator.exchange.model import Execution
from theta.simulator.exchange.rules import Refusal
from theta.simulator.exchange.sessions import next_opening
from theta.simulator.exchange.store import Store
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market
from theta.simulator.market.reference import CorporateAction
from theta.simulator.randomness import unit

EXERCISE: Final = 1
LAPSE: Final = 2

_ZERO = Decimal(0)
_DAY = 86_400.0
_YEAR_DAYS = 360
_FREE_OF_INTEREST_USD = Decimal(10_000)
_FULL_RATE_NET_USD = Decimal(100_000)
_CREDIT_BELOW = Decimal("0.005")
_DEBIT_ABOVE = Decimal("0.015")
_POSTING_SESSION = 3
"""IBKR's published terms: credit at the benchmark less 0.5 % on cash above 10,000 USD, in
proportion to a net liquidation below 100,000; debit at the benchmark plus 1.5 %; 360 days; accrued
daily and posted on the third business day of the next month."""


@dataclass(slots=True)
class Turn:
    """What a turn of time did: executions without an order, the positions that changed (account,
    contract), and the symbols whose orders the broker cancels."""

    executions: list[Execution] = field(default_factory=list)
    touched: dict[tuple[str, Contract], None] = field(default_factory=dict)
    cancelled_symbols: set[str] = field(default_factory=set)


class Lifecycle:
    """Carries positions through time. Deterministic: draws hang on account, contract and day."""

    def __init__(self, market: Market, books: Books, behaviour: Behaviour, store: Store) -> None:
        self._market = market
        self._books = books
        self._behaviour = behaviour
        self._store = store
        self._instructions: dict[tuple[str, int], tuple[int, Decimal]] = {}
        for body in store.load("exercise").values():
            quantity = Decimal(body["quantity"])
            if quantity:
                wanted = (body["action"], quantity)
                self._instructions[body["account"], body["con_id"]] = wanted

    def boundaries(self, after: float, until: float) -> list[tuple[float, CorporateAction | None]]:
        """The turns in (after, until], earliest first; ``None`` for a midnight."""
        turns: list[tuple[float, CorporateAction | None]] = []
        midnight = calendar.next_midnight(after)
        while midnight <= until:
            turns.append((midnight, None))
            midnight = calendar.next_midnight(midnight)
        if next_opening(after) > until:
            return turns
        turns += [(action.at, action) for action in self._market.actions(after, until)]
        return sorted(turns, key=lambda turn: turn[0])

    def turn(self, at: float, action: CorporateAction | None) -> Turn:
        """Carry every account over one boundary."""
        done = Turn()
        for account in self._books.accounts.values():
            if action is None:
                self._midnight(account, at, done)
            elif action.kind == "dividend":
                self._dividend(account, action, done)
            else:
                self._split(account, action, done)
        if action is not None and action.kind == "split":
            done.cancelled_symbols.add(action.symbol)
        return done

    # -- exercise by request -----------------------------------------------------------------------

    def instruct(
        self, account: Account, con_id: int, quantity: int, action: int, *, override: bool,
        now: float,
    ) -> Refusal | None:  # fmt: skip
        """Note an exercise for tonight or a lapse for the expiry; ``override`` allows exercising
        what is out of the money and letting lapse what is in it. A later instruction on the same
        option replaces the earlier."""
        contract = self._market.book.by_id(con_id)
        if contract is None or not contract.is_option:
            return 200, "No security definition has been found for the request"
        if action not in (EXERCISE, LAPSE):
            return _invalid("Invalid exercise action")
        if not 0 < quantity <= account.quantity(con_id):
            return _invalid("The exercise quantity exceeds the long position")
        tonight = calendar.expiry_instant(contract.expiry) < calendar.next_midnight(now)
        if action == EXERCISE and contract.european and not tonight:
            return _invalid("A European option is exercised at its expiry only")
        inside = self._market.intrinsic(contract, now) >= 0.01
        if inside != (action == EXERCISE) and not override:
            side = "in" if inside else "out of"
            return _invalid(f"The option is {side} the money; override to do it all the same")
        self._instructions[account.name, con_id] = (action, Decimal(quantity))
        self._stage_instruction(account, con_id)
        return None

    def _stage_instruction(self, account: Account, con_id: int) -> None:
        action, quantity = self._instructions.get((account.name, con_id), (LAPSE, _ZERO))
        body = {
            "account": account.name,
            "con_id": con_id,
            "action": action,
            "quantity": str(quantity),
        }
        self._store.stage([("exercise", f"{account.name}:{con_id}", body)])

    def _take_instruction(self, account: Account, con_id: int, action: int) -> Decimal:
        """The units that an instruction to ``action`` is for; the instruction is done with."""
        found = self._instructions.get((account.name, con_id))
        if found is None or found[0] != action:
            return _ZERO
        del self._instructions[account.name, con_id]
        self._stage_instruction(account, con_id)
        return min(found[1], max(_ZERO, account.quantity(con_id)))

    # -- midnight ----------------------------------------------------------------------------------

    def _midnight(self, account: Account, at: float, done: Turn) -> None:
        for contract, quantity in self._options(account):
            if quantity > 0:
                units = self._take_instruction(account, contract.con_id, EXERCISE)
                if units:
                    self._deliver(account, contract, units, "exercise", at, done)
            if calendar.expiry_instant(contract.expiry) < at:
                self._expire(account, contract, at, done)
        for action in self._market.actions(at, at + _DAY):
            if action.kind == "dividend":
                self._assign_early(account, action, at, done)
        self._interest(account, at)
        account.settle_until(calendar.trading_date(at).isoformat())
        values = account.values(at)
        account.previous_net = values["NetLiquidation"]
        account.previous_equity = values["EquityWithLoanValue"]
        self._store.stage(account.changes(()))

    def _options(self, account: Account, symbol: str = "") -> Iterator[tuple[Contract, Decimal]]:
        """Options held, by contract id."""
        for con_id, position in sorted(account.positions.items()):
            if position.quantity:
                contract = account.contract(con_id)
                if contract.is_option and symbol in ("", contract.symbol):
                    yield contract, position.quantity

    def _expire(self, account: Account, contract: Contract, at: float, done: Turn) -> None:
        """At expiry: at least a cent in the money is exercised or assigned, the rest is gone."""
        lapsing = self._take_instruction(account, contract.con_id, LAPSE)
        quantity = account.quantity(contract.con_id)
        if not quantity:
            return
        worth = self._worth(contract)
        if worth >= CENT:
            units = quantity - lapsing
            if units and contract.cash_settled:
                moves = [(contract, -units, worth)]
                self._booked(account, "settlement", moves, at, done)
            elif units:
                kind = "exercise" if units > 0 else "assignment"
                self._deliver(account, contract, units, kind, at, done)
            quantity = lapsing
        if quantity:
            position = account.positions[contract.con_id]
            cost = position.average_cost * quantity
            position.realized -= cost
            account.realized -= cost
            left = account.quantity(contract.con_id) - quantity
            account.replace(contract, contract, left, position.average_cost if left else _ZERO)
            self._books.flow(
                account, "expiry", _ZERO, at, ((contract.con_id, -quantity),), contract.local_symbol
            )
            done.touched[account.name, contract] = None

    def _worth(self, contract: Contract) -> Decimal:
        """What one share's worth of the option pays at its expiry."""
        expired = calendar.expiry_instant(contract.expiry)
        price = Decimal(str(round(self._market.settlement(contract, expired), 2)))
        gain = price - Decimal(str(contract.strike))
        return max(_ZERO, gain if contract.is_call else -gain)

    def _deliver(
        self, account: Account, contract: Contract, units: Decimal, kind: str, at: float, done: Turn
    ) -> None:
        """Close ``units`` (negative: assigned) of an option against its shares at the strike."""
        stock = account.contract(contract.under_con_id)
        shares = units * contract.shares * (1 if contract.is_call else -1)
        strike = Decimal(str(contract.strike))
        price = strike * contract.multiplier / contract.shares
        if contract.cash_settled:
            gain = self._market.intrinsic(contract, at)
            worth = Decimal(str(round(gain, 2)))
            self._booked(account, "settlement", [(contract, -units, worth)], at, done)
            return
        self._booked(account, kind, [(contract, -units, _ZERO), (stock, shares, price)], at, done)

    def _booked(
        self,
        account: Account,
        kind: str,
        moves: list[tuple[Contract, Decimal, Decimal]],
        at: float,
        done: Turn,
    ) -> None:
        done.executions += self._books.book(account, kind, moves, at)
        for contract, _, _ in moves:
            done.touched[account.name, contract] = None

    def _assign_early(
        self, account: Account, action: CorporateAction, at: float, done: Turn
    ) -> None:
        """The night before an ex-date a holder exercises a call whose time value the dividend
        exceeds; the account's short ones are assigned with the set probability."""
        day = calendar.trading_date(at).isoformat()
        closed = calendar.session(calendar.previous_session_day(calendar.trading_date(at)))
        last = at if closed is None else closed[1] - 1
        for contract, quantity in list(self._options(account, action.symbol)):
            if quantity >= 0 or not contract.is_call or contract.european:
                continue
            inside = self._market.intrinsic(contract, last)
            extrinsic = float(account.mark(contract, last)) - inside
            drawn = unit(self._behaviour.seed, "assign", account.name, contract.con_id, day)
            pays = inside >= 0.01 and extrinsic < action.amount_usd
            if pays and drawn < self._behaviour.early_assignment:
                self._deliver(account, contract, quantity, "assignment", at, done)

    # -- money -------------------------------------------------------------------------------------

    def _interest(self, account: Account, at: float) -> None:
        """Accrue a day's interest; post what has accrued on the month's third session."""
        benchmark = Decimal(str(round(self._market.rate(at), 6)))
        cash, daily = account.cash, _ZERO
        if cash < 0:
            daily = cash * (benchmark + _DEBIT_ABOVE) / _YEAR_DAYS
        elif cash > _FREE_OF_INTEREST_USD:
            net = account.values(at)["NetLiquidation"]
            part = min(Decimal(1), max(_ZERO, net) / _FULL_RATE_NET_USD)
            rate = max(_ZERO, benchmark - _CREDIT_BELOW) * part
            daily = (cash - _FREE_OF_INTEREST_USD) * rate / _YEAR_DAYS
        today = calendar.trading_date(at)
        month = f"{today:%Y-%m}"
        first = account.interest_month == ""
        if first:
            account.interest_month = month
        sessions = sum(
            calendar.is_session_day(today - timedelta(back)) for back in range(today.day)
        )
        if month != account.interest_month and sessions >= _POSTING_SESSION:
            posted = account.accrued.quantize(CENT)
            account.accrued -= posted
            account.interest_month = month
            if posted:
                self._books.flow(account, "interest", posted, at)
        account.accrued += daily.quantize(Decimal("0.000001"))

    def _dividend(self, account: Account, action: CorporateAction, done: Turn) -> None:
        """Pay what was held when the ex-date began; a short position pays it."""
        stock = self._market.book.stock(action.symbol)
        assert stock is not None
        held = account.quantity(stock.con_id)
        today = calendar.trading_date(action.at).isoformat()
        for item in reversed(self._books.executions):
            if item.at < action.at - _DAY:
                break
            bought = item.account == account.name and item.con_id == stock.con_id
            if bought and item.day == today and item.kind == "trade":
                held -= item.signed
        amount = (held * Decimal(str(action.amount_usd))).quantize(CENT)
        if amount:
            self._books.flow(account, "dividend", amount, action.at, note=action.symbol)
            done.touched[account.name, stock] = None

    # -- splits ------------------------------------------------------------------------------------

    def _split(self, account: Account, action: CorporateAction, done: Turn) -> None:
        ratio = Fraction(action.ratio).limit_denominator(1000)
        for con_id, position in sorted(account.positions.items()):
            contract = account.contract(con_id)
            if contract.symbol != action.symbol or not position.quantity:
                continue
            if contract.is_option:
                after = self._adjusted(contract, action.ratio)
                grown = Fraction(after.multiplier) == contract.multiplier and (
                    after.shares == contract.shares and ratio.denominator == 1
                )
                factor = ratio if grown else Fraction(1)
            else:
                after, factor = contract, ratio
            self._convert(account, contract, after, factor, action, done)

    def _adjusted(self, contract: Contract, ratio: float) -> Contract:
        """What an option becomes; remembered, so that a restart knows the new class too."""
        after = self._market.book.adjusted(contract, ratio)
        key = f"{contract.con_id}:{ratio}"
        self._store.stage([("adjusted", key, {"con_id": contract.con_id, "ratio": ratio})])
        return after

    def _convert(
        self,
        account: Account,
        before: Contract,
        after: Contract,
        factor: Fraction,
        action: CorporateAction,
        done: Turn,
    ) -> None:
        """Turn a position into ``factor`` times as many units; a fraction of a share is paid out
        at the price after the split."""
        position = account.positions[before.con_id]
        held, cost = position.quantity, position.average_cost
        exact = held * factor.numerator / factor.denominator
        whole = exact.to_integral_value(ROUND_DOWN)
        if before == after and whole == held:
            return
        cash = _ZERO
        if exact != whole:
            price = Decimal(str(round(self._market.spot(action.symbol, action.at), 4)))
            cash = ((exact - whole) * price * after.multiplier).quantize(CENT)
        new_cost = cost * held / exact if whole else _ZERO
        account.replace(before, after, whole + account.quantity(after.con_id)
                        if after != before else whole, new_cost)  # fmt: skip
        units: tuple[tuple[int, Decimal], ...] = ((before.con_id, whole - held),)
        if before != after:
            units = ((before.con_id, -held), (after.con_id, whole))
        self._books.flow(account, "split", cash, action.at, units, action.symbol)
        done.touched[account.name, before] = None
        done.touched[account.name, after] = None


def _invalid(cause: str) -> Refusal:
    return 321, f"Error validating request.-'bx' : cause - {cause}"
