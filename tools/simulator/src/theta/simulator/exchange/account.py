"""The account's ledger: positions, cash, commissions, and what they are worth and require."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from theta.simulator.exchange.margin import Figures, Holding, figures
from theta.simulator.exchange.model import Position
from theta.simulator.exchange.store import Change
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market, model_price

CENT = Decimal("0.01")
_ZERO = Decimal(0)
_INTRADAY_LEVERAGE = 4

_KEPT_MAX = 16
_GroupKey = tuple[tuple[int, float], tuple[tuple[int, Decimal], ...]]
"""Second and price of the underlying, units by contract id."""

SUMMARY_TAGS: Final = (
    "AccountType", "NetLiquidation", "TotalCashValue", "SettledCash", "AccruedCash", "BuyingPower",
    "EquityWithLoanValue", "PreviousEquityWithLoanValue", "GrossPositionValue", "RegTEquity",
    "RegTMargin", "SMA", "InitMarginReq", "MaintMarginReq", "AvailableFunds", "ExcessLiquidity",
    "Cushion", "FullInitMarginReq", "FullMaintMarginReq", "FullAvailableFunds",
    "FullExcessLiquidity", "LookAheadNextChange", "LookAheadInitMarginReq",
    "LookAheadMaintMarginReq", "LookAheadAvailableFunds", "LookAheadExcessLiquidity",
    "HighestSeverity", "DayTradesRemaining", "DayTradesRemainingT+1", "DayTradesRemainingT+2",
    "DayTradesRemainingT+3", "DayTradesRemainingT+4", "Leverage",
)  # fmt: skip
"""Every tag that an account summary may ask for."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Equity with loan value and requirements, USD, as the broker judges an order by them."""

    equity: Decimal
    initial: Decimal
    maintenance: Decimal

    @property
    def available(self) -> Decimal:
        return self.equity - self.initial


class Account:
    """Cash and positions of one account in USD, on margin unless it is a ``cash_account``.

    Every change of either comes from an execution or a recorded flow. ``margin_factor`` raises
    both requirements, as the broker does for an account or a market in trouble.
    """

    summary_tags = SUMMARY_TAGS

    def __init__(
        self,
        name: str,
        account_type: str,
        cash: Decimal,
        market: Market,
        *,
        cash_account: bool = False,
    ) -> None:
        self.name = name
        self.account_type = account_type
        self.cash_account = cash_account
        self.cash = cash
        self.positions: dict[int, Position] = {}
        self.commissions = _ZERO
        self.realized = _ZERO
        self.accrued = _ZERO
        """Interest earned and not yet paid; negative when owed."""

        self.interest_month = ""
        self.unsettled: dict[str, Decimal] = {}
        """Proceeds of sales by the day (ISO) on which they settle; kept for a cash account."""

        self.previous_net: Decimal | None = None
        self.previous_equity: Decimal | None = None
        """Net liquidation and equity with loan value when the day began."""

        self.margin_factor = Decimal(1)
        self._market = market
        self._by_symbol: dict[str, set[int]] = defaultdict(set)
        self._cached: dict[str, dict[_GroupKey, Figures]] = {}
        self._marks: dict[int, tuple[tuple[int, float], Decimal]] = {}

    def contract(self, con_id: int) -> Contract:
        contract = self._market.book.by_id(con_id)
        if contract is None:
            raise KeyError(con_id)
        return contract

    # -- changes -----------------------------------------------------------------------------------

    def apply(
        self, contract: Contract, signed: Decimal, price: Decimal, fee: Decimal, at: float = 0.0
    ) -> Decimal | None:
        """Book a trade of ``signed`` units at ``price`` per share; returns the realized gain after
        fees.

        ``None`` when the trade only opens. Average cost includes the opening commission, as the
        broker's does.
        """
        position = self._position(contract)
        unit = price * contract.multiplier
        self.cash -= signed * unit + fee
        self.commissions += fee
        if self.cash_account and signed < 0 and unit > 0:
            due = _next_business_day(at)
            self.unsettled[due] = self.unsettled.get(due, _ZERO) - signed * unit
        held = position.quantity
        realized: Decimal | None = None
        closing = _ZERO
        if held * signed < 0:
            closing = min(abs(held), abs(signed)) * (1 if signed > 0 else -1)
            fee_share = fee * abs(closing) / abs(signed)
            realized = (position.average_cost - unit) * closing - fee_share
            position.realized += realized
            self.realized += realized
        opening = signed - closing
        if opening:
            fee_share = fee * abs(opening) / abs(signed)
            kept = held + closing
            cost = position.average_cost * kept + unit * opening + fee_share
            position.average_cost = cost / (kept + opening)
        position.quantity = held + signed
        if position.quantity == 0:
            position.average_cost = _ZERO
        return realized

    def _position(self, contract: Contract) -> Position:
        position = self.positions.get(contract.con_id)
        if position is None:
            position = self.positions[contract.con_id] = Position(contract.con_id)
        self._by_symbol[contract.symbol].add(contract.con_id)
        return position

    def replace(
        self, before: Contract, after: Contract, quantity: Decimal, average_cost: Decimal
    ) -> None:
        """Turn a whole position into another without a trade, as a split does."""
        old = self._position(before)
        realized = old.realized
        if before != after:
            old.quantity = old.average_cost = _ZERO
        new = self._position(after)
        new.quantity, new.average_cost = quantity, average_cost
        if before == after:
            new.realized = realized

    def settle_until(self, day: str) -> None:
        """Count sales that settle by ``day`` (ISO) as settled."""
        self.unsettled = {due: value for due, value in self.unsettled.items() if due > day}

    def changes(self, con_ids: Iterable[int]) -> list[Change]:
        """The records to store after ``con_ids`` changed."""
        written: list[Change] = [("account", self.name, self._dump())]
        for con_id in con_ids:
            position = self.positions[con_id]
            body = {
                "account": self.name,
                "con_id": con_id,
                "quantity": str(position.quantity),
                "average_cost": str(position.average_cost),
                "realized": str(position.realized),
            }
            written.append(("position", f"{self.name}:{con_id}", body))
        return written

    def _dump(self) -> dict[str, Any]:
        return {
            "cash": str(self.cash),
            "commissions": str(self.commissions),
            "realized": str(self.realized),
            "accrued": str(self.accrued),
            "interest_month": self.interest_month,
            "unsettled": {day: str(value) for day, value in self.unsettled.items()},
            "previous_net": None if self.previous_net is None else str(self.previous_net),
            "previous_equity": None if self.previous_equity is None else str(self.previous_equity),
        }

    def restore(self, stored: Mapping[str, Any], positions: Iterable[Mapping[str, Any]]) -> None:
        """Take over what ``changes`` stored; fields of an older state may be missing."""
        self.cash = Decimal(stored["cash"])
        self.commissions = Decimal(stored["commissions"])
        self.realized = Decimal(stored["realized"])
        self.accrued = Decimal(stored.get("accrued", 0))
        self.interest_month = stored.get("interest_month", "")
        unsettled = stored.get("unsettled", {})
        self.unsettled = {day: Decimal(value) for day, value in unsettled.items()}
        net, equity = stored.get("previous_net"), stored.get("previous_equity")
        self.previous_net = None if net is None else Decimal(net)
        self.previous_equity = None if equity is None else Decimal(equity)
        for body in positions:
            self.hold(
                self.contract(body["con_id"]),
                Decimal(body["quantity"]),
                Decimal(body["average_cost"]),
                Decimal(body["realized"]),
            )

    def hold(
        self,
        contract: Contract,
        quantity: Decimal,
        average_cost: Decimal,
        realized: Decimal = _ZERO,
    ) -> None:
        """Set a position as it stands, without cash: an opening or a stored one."""
        position = self._position(contract)
        position.quantity, position.average_cost = quantity, average_cost
        position.realized = realized

    # -- values ------------------------------------------------------------------------------------

    def quantity(self, con_id: int) -> Decimal:
        position = self.positions.get(con_id)
        return position.quantity if position else _ZERO

    def mark(self, contract: Contract, now: float) -> Decimal:
        """Value per share now; outside an option's session its model price."""
        quote = self._market.quote(contract, now)
        value = quote.mark
        if contract.is_option and quote.bid is None:
            view = self._market.view(contract, now)
            value = model_price(contract, view) if view and view.years > 0 else quote.close
        return Decimal(str(round(value, 4)))

    def standing(
        self,
        now: float,
        units: Mapping[Contract, Decimal] | None = None,
        cash: Decimal = _ZERO,
    ) -> Standing:
        """Equity and requirements, as they would be with ``units`` more held and ``cash`` more."""
        total = self._figures(now, units or {})
        return self._standing(total, self.cash + cash)

    def _standing(self, total: Figures, cash: Decimal) -> Standing:
        locked = sum(self.unsettled.values(), _ZERO) if self.unsettled else _ZERO
        return Standing(
            equity=cash + total.stock - locked,
            initial=total.initial * self.margin_factor,
            maintenance=total.maintenance * self.margin_factor,
        )

    def _figures(self, now: float, units: Mapping[Contract, Decimal]) -> Figures:
        touched: dict[str, dict[Contract, Decimal]] = defaultdict(dict)
        for contract, signed in units.items():
            touched[contract.symbol][contract] = signed
        total = Figures()
        for symbol in {**self._by_symbol, **touched}:
            total += self._group(symbol, now, touched.get(symbol, {}))
        return total

    def _group(self, symbol: str, now: float, extra: dict[Contract, Decimal]) -> Figures:
        """Figures of one underlying with ``extra`` units, kept while neither time nor price
        moves: what an order would make of it is what its fill then makes of it."""
        held = {contract.con_id: signed for contract, signed in extra.items()}
        for con_id in self._by_symbol.get(symbol, ()):
            quantity = self.positions[con_id].quantity
            if quantity:
                held[con_id] = held.get(con_id, _ZERO) + quantity
        price = self._market.spot(symbol, now)
        moment = (int(now), price)
        rows = tuple(sorted(held.items()))
        kept = self._cached.get(symbol)
        if kept is None or len(kept) >= _KEPT_MAX or (moment, rows) not in kept:
            if kept is None or len(kept) >= _KEPT_MAX:
                kept = self._cached[symbol] = {}
            spot = Decimal(str(round(price, 4)))
            holdings = [
                Holding(contract, units, self._kept_mark(contract, now, moment), spot)
                for con_id, units in rows
                if units and (contract := self.contract(con_id))
            ]
            kept[moment, rows] = figures(holdings, cash_account=self.cash_account)
        return kept[moment, rows]

    def _kept_mark(self, contract: Contract, now: float, key: tuple[int, float]) -> Decimal:
        """The mark, kept while neither time nor the underlying's price moves."""
        kept = self._marks.get(contract.con_id)
        if kept is None or kept[0] != key:
            kept = self._marks[contract.con_id] = (key, self.mark(contract, now))
        return kept[1]

    def values(self, now: float) -> dict[str, Decimal]:
        """Every amount in USD by its TWS tag."""
        total = self._figures(now, {})
        standing = self._standing(total, self.cash)
        ahead = self._standing(*self._after_expiry(now, total))
        equity = standing.equity
        net = self.cash + total.stock + total.options + self.accrued
        excess = equity - standing.maintenance
        previous = equity if self.previous_equity is None else self.previous_equity
        leverage = 1 if self.cash_account else _INTRADAY_LEVERAGE
        cents = {
            "NetLiquidation": net,
            "TotalCashValue": self.cash,
            "SettledCash": self.cash - sum(self.unsettled.values(), _ZERO),
            "AccruedCash": self.accrued,
            "AccruedDividend": _ZERO,
            "StockMarketValue": total.stock,
            "OptionMarketValue": total.options,
            "GrossPositionValue": total.gross,
            "EquityWithLoanValue": equity,
            "PreviousDayEquityWithLoanValue": previous,
            "PreviousEquityWithLoanValue": previous,
            "RegTEquity": equity,
            "RegTMargin": standing.initial,
            "SMA": max(_ZERO, standing.available),
            "InitMarginReq": standing.initial,
            "MaintMarginReq": standing.maintenance,
            "AvailableFunds": standing.available,
            "ExcessLiquidity": excess,
            "FullInitMarginReq": standing.initial,
            "FullMaintMarginReq": standing.maintenance,
            "FullAvailableFunds": standing.available,
            "FullExcessLiquidity": excess,
            "LookAheadInitMarginReq": ahead.initial,
            "LookAheadMaintMarginReq": ahead.maintenance,
            "LookAheadAvailableFunds": ahead.available,
            "LookAheadExcessLiquidity": ahead.equity - ahead.maintenance,
            "PostExpirationMargin": max(_ZERO, ahead.maintenance - standing.maintenance),
            "PostExpirationExcess": ahead.equity - ahead.maintenance,
            "RealizedPnL": self.realized,
            "UnrealizedPnL": self._unrealized(now),
            "BuyingPower": max(_ZERO, standing.available) * leverage,
        }
        return {tag: value.quantize(CENT, ROUND_HALF_UP) for tag, value in cents.items()}

    def texts(self, now: float) -> dict[str, str]:
        """Every value that carries no currency, by its TWS tag."""
        usd = self.values(now)
        net = usd["NetLiquidation"]
        cushion = max(_ZERO, min(Decimal(1), usd["ExcessLiquidity"] / net)) if net > 0 else _ZERO
        turns = usd["GrossPositionValue"] / net if net > 0 else _ZERO
        days = ("", "T+1", "T+2", "T+3", "T+4")
        return {
            "AccountCode": self.name,
            "AccountReady": "true",
            "AccountType": self.account_type,
            "Cushion": f"{cushion:.6f}",
            "HighestSeverity": "0",
            "Leverage": f"{turns:.2f}",
            "LookAheadNextChange": f"{calendar.next_session(now)[1]:.0f}",
            **{f"DayTradesRemaining{ahead}": "-1" for ahead in days},
        }

    def _unrealized(self, now: float) -> Decimal:
        total = _ZERO
        for position in self.positions.values():
            if position.quantity:
                contract = self.contract(position.con_id)
                worth = self.mark(contract, now) * contract.multiplier
                total += position.quantity * (worth - position.average_cost)
        return total

    def _after_expiry(self, now: float, total: Figures) -> tuple[Figures, Decimal]:
        """Figures and cash once today's options have been exercised, assigned or gone."""
        today = f"{calendar.trading_date(now):%Y%m%d}"
        units: dict[Contract, Decimal] = {}
        cash = self.cash
        for position in self.positions.values():
            contract = self.contract(position.con_id)
            if not position.quantity or not contract.is_option or contract.expiry != today:
                continue
            units[contract] = -position.quantity
            worth = Decimal(str(round(self._market.intrinsic(contract, now), 2)))
            if worth < CENT:
                continue
            if contract.cash_settled:
                cash += position.quantity * worth * contract.multiplier
                continue
            stock = self.contract(contract.under_con_id)
            signed = position.quantity * contract.shares * (1 if contract.is_call else -1)
            units[stock] = units.get(stock, _ZERO) + signed
            paid = position.quantity * Decimal(str(contract.strike)) * contract.multiplier
            cash -= paid if contract.is_call else -paid
        return (self._figures(now, units), cash) if units else (total, cash)


def _next_business_day(at: float) -> str:
    day = calendar.trading_date(at) + timedelta(1)
    while not calendar.is_session_day(day):
        day += timedelta(1)
    return day.isoformat()


def truth_position(account: Account, position: Position) -> dict[str, Any]:
    """A position as the control API tells it."""
    return {
        **account.contract(position.con_id).describe(),
        "quantity": float(position.quantity),
        "average_cost": float(position.average_cost),
        "realized": float(position.realized),
    }
