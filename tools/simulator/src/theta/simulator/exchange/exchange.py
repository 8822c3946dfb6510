"""The exchange: accepts, matches, cancels and expires orders, and books what trades."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from theta.simulator.clock import SimClock
from theta.simulator.exchange import credit, groups, sessions
from theta.simulator.exchange.account import Account
from theta.simulator.exchange.behaviour import Behaviour
from theta.simulator.exchange.booking import Books
from theta.simulator.exchange.lifecycle import Lifecycle, Turn
from theta.simulator.exchange.matching import (
    Fill,
    Look,
    expiry_of,
    instants,
    match,
    parse_time,
    triggered,
)
from theta.simulator.exchange.model import (
    CANCELLED,
    FILLED,
    INACTIVE,
    PENDING,
    PENDING_CANCEL,
    PRE_SUBMITTED,
    SUBMITTED,
    Execution,
    Order,
    OrderRequest,
)
from theta.simulator.exchange.register import Register
from theta.simulator.exchange.rules import Refusal
from theta.simulator.exchange.store import Store
from theta.simulator.market.contracts import Contract, Leg
from theta.simulator.market.model import last_trading_instant
from theta.simulator.market.quotes import Market

AT_ONCE = ("IOC", "FOK")


class Listener(Protocol):
    """Hears what happens to orders and positions, in the order in which it happens."""

    def order_changed(self, order: Order, what: str) -> None: ...

    def executed(self, order: Order, executions: list[Execution]) -> None: ...

    def turned(self, turn: Turn) -> None: ...


class Exchange(Register):
    """Everything the broker knows.

    Each change is staged in the store as it happens; whoever tells a client of it flushes the
    store first, so that nobody hears what a kill could undo.
    """

    def __init__(
        self,
        market: Market,
        accounts: Account | Sequence[Account],
        clock: SimClock,
        store: Store,
        behaviour: Behaviour,
        host_now: Callable[[], float],
    ) -> None:
        super().__init__(clock, store, host_now)
        listed = [accounts] if isinstance(accounts, Account) else list(accounts)
        self.market = market
        self.behaviour = behaviour
        self.account = listed[0]
        self.books = Books(market, listed, store, behaviour.commission_plan)
        self.accounts = self.books.accounts
        self.executions = self.books.executions
        self.listener: Listener | None = None
        """Who hears of orders and executions; set once by whoever tells the clients."""

        self._reservations = credit.Reservations()
        self._last_judged: tuple[OrderRequest, credit.WhatIf] | None = None
        self._restore()
        self._lifecycle = Lifecycle(market, self.books, behaviour, store)
        self._stepped = self._restore_stepped()

    def _restore(self) -> None:
        for body in self.store.load("adjusted").values():
            option = self.market.book.by_id(body["con_id"])
            if option is not None:
                self.market.book.adjusted(option, body["ratio"])
        for body in self.store.load("combination").values():
            legs = [Leg(*leg) for leg in body["legs"]]
            self.market.book.combination(legs, body["symbol"])
        self._restore_orders()
        for order in self.working.values():
            self._reservations.count(order)
        self.books.restore()
        self.executions = self.books.executions
        for order in list(self.working.values()):
            if order.status == PENDING and order.transmit:
                self._work(order)
            elif order.status == PENDING_CANCEL:
                self._end(order, CANCELLED, "cancelled by the client")
                self._orphan(order)
        self.store.flush()

    def _restore_stepped(self) -> float:
        """The market time up to which positions have been carried."""
        stored = self.store.load("stepped").get("all")
        if stored is not None:
            return float(stored["at"])
        clock = self.store.load("clock").get("all")
        at = self.clock.now() if clock is None else float(clock["market"])
        self.store.write([("stepped", "all", {"at": at})])
        return at

    # -- asked for by clients ----------------------------------------------------------------------

    def place(
        self, client_id: int, order_id: int, contract: Contract, request: OrderRequest, refusal: str
    ) -> Order:
        """Accept an order, or record it as refused when ``refusal`` says why.

        Client 0 with order id 0 places as the TWS window does. A transmitted child takes its
        untransmitted family with it. Nothing happens at the market before ``acknowledge``.
        """
        now = self.clock.now()
        parent = self.find(client_id, request.parent_id) if request.parent_id else None
        order = Order(
            perm_id=self.books.next_perm_id(),
            client_id=client_id,
            order_id=order_id,
            con_id=contract.con_id,
            action=request.action,
            quantity=request.quantity,
            order_type=request.order_type,
            limit=request.limit,
            tif=request.tif or "DAY",
            account=request.account or self.account.name,
            order_ref=request.order_ref,
            outside_rth=request.outside_rth,
            placed_at=now,
            expires_at=None,
            looked_at=now,
            parent_perm=parent.perm_id if parent else 0,
        )
        self._terms(order, contract, request)
        self._note(order, "placed", limit=order.limit, quantity=order.quantity)
        if refusal:
            order.status = INACTIVE
            order.ended_at = now
            order.end_reason = refusal
            self._note(order, "refused", reason=refusal)
        elif not order.parent_perm:
            order.reserved = self._judged(contract, request, order.account).taken
        self._enter(order)
        self._reservations.count(order)
        if contract.is_combination:
            self._keep_combination(contract)
        if order.transmit and parent is not None:
            for member in self._family(order):
                member.transmit = True
                self._stage(member)
        if order_id:
            self._remember_highest(client_id, max(order_id, self.highest_ids.get(client_id, 0)))
        self._stage(order)
        return order

    def _terms(self, order: Order, contract: Contract, request: OrderRequest) -> None:
        """Copy what a placement and a modification both set."""
        order.limit, order.stop = request.limit, request.stop
        order.quantity = request.quantity
        order.order_type = request.order_type
        order.tif = request.tif or order.tif
        order.outside_rth = request.outside_rth
        order.good_till, order.good_after = request.good_till, request.good_after
        order.algo, order.algo_params = request.algo, request.algo_params
        order.parent_id = request.parent_id
        order.oca_group, order.oca_type = request.oca_group, request.oca_type
        order.all_or_none = request.all_or_none
        order.open_close = request.open_close
        order.extras = request.extras
        order.transmit = request.transmit
        order.expires_at = expiry_of(
            order.tif,
            self.clock.now(),
            contract,
            outside_rth=order.outside_rth,
            good_till=order.good_till,
        )
        for leg, _ in credit.legs_of(self.market, contract):
            if leg.is_option:
                last = last_trading_instant(leg)
                order.expires_at = min(last, order.expires_at or last)

    def _keep_combination(self, contract: Contract) -> None:
        legs = [[leg.con_id, leg.ratio, leg.action, leg.exchange] for leg in contract.legs]
        body = {"symbol": contract.symbol, "legs": legs}
        self.store.stage([("combination", str(contract.con_id), body)])

    def modify(self, order: Order, request: OrderRequest) -> None:
        """Change a live order; the caller has checked that it may be."""
        contract = self.account.contract(order.con_id)
        self._terms(order, contract, request)
        order.revision += 1
        order.hazard = 0.0
        if order.parent_perm == 0:
            order.reserved = self.what_if(contract, request, order.account).taken
        self._reservations.count(order)
        self._note(order, "modified", limit=order.limit, quantity=order.quantity)
        self._stage(order)

    def acknowledge(self, order: Order) -> None:
        """The order, and whatever is transmitted with it, reaches the exchange: it works, and
        trades at once if it can. An untransmitted order stays where it is."""
        if order.status != PENDING or not order.transmit:
            return
        for member in self._family(order):
            if member.transmit and member.status == PENDING:
                self._work(member)
                self._look(member, self.clock.now(), 0.0, arriving=True)
                self._tell(member, "working")

    def _family(self, order: Order) -> list[Order]:
        siblings = self.children.get(order.parent_perm, [])
        return groups.transmitted_with(order, self.orders, siblings)

    def _work(self, order: Order) -> None:
        now = self.clock.now()
        order.status = SUBMITTED if self._at_market(order, now) else PRE_SUBMITTED
        if order.working_since is None:
            order.working_since = now
        self._note(order, "working", status=order.status)
        self._stage(order)

    def _at_market(self, order: Order, at: float) -> bool:
        """Whether the order is at the exchange: neither held by the broker nor before the open."""
        contract = self.account.contract(order.con_id)
        return (
            sessions.is_open(contract, at, outside_rth=order.outside_rth)
            and (order.stop is None or order.triggered)
            and not self._held(order, contract, at)
        )

    def _held(self, order: Order, contract: Contract, at: float) -> bool:
        if not order.transmit or groups.waits(order, self.orders):
            return True
        if contract.symbol in self.market.halted:
            return True
        starts = parse_time(order.good_after, order.placed_at) if order.good_after else None
        return starts is not None and at < starts

    def request_cancel(self, order: Order) -> None:
        order.status = PENDING_CANCEL
        self._note(order, "cancel_requested")
        self._stage(order)
        self._tell(order, "cancel_requested")

    def finish_cancel(self, order: Order) -> None:
        """Cancel what is left, unless a fill came first."""
        if order.status == PENDING_CANCEL:
            self._end(order, CANCELLED, "cancelled by the client")
            self._tell(order, "cancelled")
            self._orphan(order)

    def what_if(
        self, contract: Contract, request: OrderRequest, account: str = ""
    ) -> credit.WhatIf:
        """What the order would change if it traded in full now; places nothing."""
        ledger = self.accounts[account or request.account or self.account.name]
        plan = self.behaviour.commission_plan
        return credit.what_if(self.market, ledger, contract, request, self.clock.now(), plan)

    def credit_refusal(
        self, contract: Contract, request: OrderRequest, besides: Order | None = None
    ) -> Refusal | None:
        """Why the account cannot carry the order together with its working ones; ``besides`` is
        the order that it replaces. A child is judged when it is placed alone only."""
        if request.parent_id:
            return None
        ledger = self.accounts[request.account or self.account.name]
        found = self._judged(contract, request, ledger.name)
        others = self._reservations.besides(ledger.name, besides)
        return credit.refusal(self.market, ledger, contract, request, found, others)

    def _judged(self, contract: Contract, request: OrderRequest, account: str) -> credit.WhatIf:
        """The figures of a request, worked out once while it is judged and then placed."""
        if self._last_judged is None or self._last_judged[0] is not request:
            self._last_judged = (request, self.what_if(contract, request, account))
        return self._last_judged[1]

    def exercise(
        self, account: str, con_id: int, quantity: int, action: int, override: int
    ) -> Refusal | None:
        """Exercise (1) tonight or let lapse (2) at expiry ``quantity`` long options; ``None`` when
        the instruction is taken."""
        ledger = self.accounts.get(account or self.account.name)
        if ledger is None:
            return 321, f"Error validating request.-'bx' : cause - Invalid account code '{account}'"
        return self._lifecycle.instruct(
            ledger, con_id, quantity, action, override=bool(override), now=self.clock.now()
        )

    # -- time --------------------------------------------------------------------------------------

    def step(self) -> None:
        """Bring every working order and every position up to the clock."""
        now = self.clock.now()
        for at, action in self._lifecycle.boundaries(self._stepped, now):
            self._advance(at)
            turn = self._lifecycle.turn(at, action)
            self._stepped = at
            self.store.stage([("stepped", "all", {"at": at})])
            for order in list(self.working.values()):
                contract = self.account.contract(order.con_id)
                if turn.cancelled_symbols and contract.symbol in turn.cancelled_symbols:
                    self._end(order, CANCELLED, "corporate action")
                    self._tell(order, "cancelled")
            if self.listener is not None and (turn.touched or turn.executions):
                self.listener.turned(turn)
        self._advance(now)
        self._stepped = max(self._stepped, now)
        self.store.flush()

    def _advance(self, until: float) -> None:
        second = int(until)
        for order in list(self.working.values()):
            seen = order.looked_at >= second and order.status == SUBMITTED
            if seen and (order.expires_at is None or until < order.expires_at):
                continue
            if order.status != PENDING and not order.is_final:
                self._bring(order, until)

    def _bring(self, order: Order, until: float) -> None:
        """Look at the market once a second of the hours in which the order may trade."""
        contract = self.account.contract(order.con_id)
        ends = until if order.expires_at is None else min(until, order.expires_at)
        while order.looked_at < ends:
            opens, closes = sessions.span(contract, order.looked_at, outside_rth=order.outside_rth)
            if opens > ends:
                order.looked_at = ends
                break
            order.looked_at = max(order.looked_at, opens - 1.0)
            moments = instants(order.looked_at, min(ends, closes))
            for at in moments:
                self._look(order, at, at - order.looked_at, arriving=False)
                if order.is_final:
                    return
            if ends < closes:
                break
            order.looked_at = closes
        if order.status == PRE_SUBMITTED and self._at_market(order, until):
            self._work(order)
            self._tell(order, "working")
        if order.expires_at is not None and until >= order.expires_at:
            self._end(order, CANCELLED, "expired")
            self._tell(order, "expired")
            self._orphan(order)

    def _look(self, order: Order, at: float, seconds: float, *, arriving: bool) -> None:
        order.looked_at = at
        contract = self.account.contract(order.con_id)
        if self._held(order, contract, at):
            return
        if not sessions.is_open(contract, at, outside_rth=order.outside_rth):
            return
        quote = self.market.quote(contract, at)
        if order.stop is not None and not order.triggered:
            if not triggered(order, contract, quote):
                return
            order.triggered = True
            self._note(order, "triggered")
            self._work(order)
        fill = match(order, contract, Look(quote, at, seconds, arriving), self.behaviour)
        if fill is not None:
            self.fill(order, fill, at)
        if order.tif in AT_ONCE and not order.is_final and order.status != PENDING_CANCEL:
            self._end(order, CANCELLED, "not filled at once")
            self._tell(order, "cancelled")

    def fill(self, order: Order, fill: Fill, at: float) -> None:
        """Book a trade, in one or two executions, and what it does to the order's group."""
        contract = self.account.contract(order.con_id)
        pieces = self.behaviour.slices(f"{order.key}:{order.filled}", fill.shares)
        booked = self.books.trade(order, contract, pieces, fill, at)
        self.executions = self.books.executions
        if order.remaining <= 0:
            order.status = FILLED
            order.ended_at = at
            order.end_reason = "filled"
            self.working.pop(order.perm_id, None)
        self._reservations.count(order)
        for item in booked:
            if not item.leg:
                self._note(
                    order, "filled", exec_id=item.exec_id, shares=item.shares, price=item.price
                )
        if self.listener is not None:
            self.listener.executed(order, booked)
        if groups.group_of(order) is not None:
            others = list(self.working.values())
            for effect in groups.effects_of_fill(order, Decimal(fill.shares), others):
                self._affect(effect)
        if order.status == FILLED:
            for child in self._children_of(order):
                child.looked_at = max(child.looked_at, at)
                child.working_since = at
                if child.status == PRE_SUBMITTED and self._at_market(child, at):
                    self._work(child)
                    self._tell(child, "working")

    def _children_of(self, order: Order) -> list[Order]:
        return [child for child in self.children.get(order.perm_id, ()) if not child.is_final]

    def _affect(self, effect: groups.Effect) -> None:
        other = effect.order
        if effect.quantity is None:
            self._end(other, CANCELLED, "one cancels all")
            self._tell(other, "cancelled")
            self._orphan(other)
            return
        other.quantity = effect.quantity
        self._reservations.count(other)
        self._note(other, "reduced", quantity=other.quantity)
        self._stage(other)
        self._tell(other, "working")

    def _orphan(self, order: Order) -> None:
        """Cancel the children of an order that ended unfilled."""
        if order.filled and order.status == FILLED:
            return
        for child in self._children_of(order):
            self._end(child, CANCELLED, "parent cancelled")
            self._tell(child, "cancelled")

    def _end(self, order: Order, status: str, reason: str) -> None:
        order.status = status
        order.ended_at = self.clock.now()
        order.end_reason = reason
        self.working.pop(order.perm_id, None)
        self._reservations.count(order)
        self._note(order, "ended", status=status, reason=reason)
        self._stage(order)

    # -- memory ------------------------------------------------------------------------------------

    def set_price(self, symbol: str, price: float) -> None:
        """Move an underlying to ``price`` from now on."""
        self.market.set_price(symbol, price, self.clock.now())
        self.store.write([("shift", symbol, self.market.shifts.dump(symbol))])

    def save_clock(self) -> None:
        """Write the market time, and up to when each working order has seen the market."""
        self._stage(*self.working.values())
        self.store.write([("clock", "all", self.clock.dump())])

    def _tell(self, order: Order, what: str) -> None:
        if self.listener is not None:
            self.listener.order_changed(order, what)


def working_orders(exchange: Exchange) -> list[Order]:
    """Orders at the exchange, oldest first."""
    alive = (SUBMITTED, PRE_SUBMITTED, PENDING_CANCEL)
    return [order for order in exchange.working.values() if order.status in alive]


def next_order_id(exchange: Exchange, client_id: int) -> int:
    """One above the highest id that this client ever placed."""
    return exchange.highest_ids.get(client_id, 0) + 1
