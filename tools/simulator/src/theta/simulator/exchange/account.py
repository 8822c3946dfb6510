"""The account's ledger: positions, cash, commissions, margin."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from theta.simulator.exchange.model import Execution, Order, OrderRequest, Position
from theta.simulator.exchange.store import Change
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market, model_price

CENT = Decimal("0.01")
_ZERO = Decimal(0)

OPTION_FEE = Decimal("0.65")
STOCK_FEE = Decimal("0.005")
MINIMUM_FEE = Decimal(1)


def commission(contract: Contract, quantity: Decimal) -> Decimal:
    """IBKR's fixed pricing: 0.65 per option, 0.005 per share, at least 1.00 USD for the
    execution."""
    per_unit = OPTION_FEE if contract.is_option else STOCK_FEE
    return max(MINIMUM_FEE, per_unit * quantity).quantize(CENT, ROUND_HALF_UP)


class Account:
    """Cash and positions of one margin account in USD. Every change of either comes from an
    execution or an expiry."""

    def __init__(self, name: str, account_type: str, cash: Decimal, market: Market) -> None:
        self.name = name
        self.account_type = account_type
        self.cash = cash
        self.positions: dict[int, Position] = {}
        self.commissions = _ZERO
        self.realized = _ZERO
        self._market = market

    def contract(self, con_id: int) -> Contract:
        contract = self._market.book.by_id(con_id)
        if contract is None:
            raise KeyError(con_id)
        return contract

    # -- changes -----------------------------------------------------------------------------------

    def apply(
        self, contract: Contract, signed: Decimal, price: Decimal, fee: Decimal
    ) -> Decimal | None:
        """Book a trade of ``signed`` units at ``price`` per share; returns the realized gain after
        fees.

        ``None`` when the trade only opens. Average cost includes the opening commission, as the
        broker's does.
        """
        position = self.positions.setdefault(contract.con_id, Position(contract.con_id))
        unit = price * contract.multiplier
        self.cash -= signed * unit + fee
        self.commissions += fee
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

    def changes(self, con_ids: list[int]) -> list[Change]:
        """The records to store after ``con_ids`` changed."""
        written: list[Change] = [("account", self.name, self.dump())]
        for con_id in con_ids:
            position = self.positions[con_id]
            body = {
                "con_id": con_id,
                "quantity": str(position.quantity),
                "average_cost": str(position.average_cost),
                "realized": str(position.realized),
            }
            written.append(("position", str(con_id), body))
        return written

    def dump(self) -> dict[str, Any]:
        return {
            "cash": str(self.cash),
            "commissions": str(self.commissions),
            "realized": str(self.realized),
        }

    def restore(self, stored: dict[str, Any], positions: dict[str, dict[str, Any]]) -> None:
        self.cash = Decimal(stored["cash"])
        self.commissions = Decimal(stored["commissions"])
        self.realized = Decimal(stored["realized"])
        for body in positions.values():
            self.positions[body["con_id"]] = Position(
                body["con_id"],
                Decimal(body["quantity"]),
                Decimal(body["average_cost"]),
                Decimal(body["realized"]),
            )

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

    def values(self, now: float, extra: dict[int, Decimal] | None = None) -> dict[str, Decimal]:
        """Account values in USD by their TWS tag; ``extra`` adds signed units per contract as if
        held."""
        held = {con_id: position.quantity for con_id, position in self.positions.items()}
        stock = options = _ZERO
        for con_id, quantity in held.items():
            if not quantity:
                continue
            contract = self.contract(con_id)
            worth = quantity * self.mark(contract, now) * contract.multiplier
            if contract.is_option:
                options += worth
            else:
                stock += worth
        for con_id, signed in (extra or {}).items():
            held[con_id] = held.get(con_id, _ZERO) + signed
        initial, maintenance = self.margin(held, now)
        equity = self.cash + stock
        cents = {
            "NetLiquidation": equity + options,
            "TotalCashValue": self.cash,
            "SettledCash": self.cash,
            "StockMarketValue": stock,
            "OptionMarketValue": options,
            "GrossPositionValue": abs(stock) + abs(options),
            "EquityWithLoanValue": equity,
            "InitMarginReq": initial,
            "MaintMarginReq": maintenance,
            "AvailableFunds": equity + min(options, _ZERO) - initial,
            "ExcessLiquidity": equity + min(options, _ZERO) - maintenance,
            "RealizedPnL": self.realized,
        }
        cents["BuyingPower"] = max(_ZERO, cents["AvailableFunds"]) * 4
        return {tag: value.quantize(CENT, ROUND_HALF_UP) for tag, value in cents.items()}

    def margin(self, held: dict[int, Decimal], now: float) -> tuple[Decimal, Decimal]:
        """Initial and maintenance requirement by the Regulation T rules for stock and uncovered
        options.

        Shares cover short calls of their symbol one for one hundred. The premium of a short option
        counts through
        its market value. Long options are paid in full.
        """
        initial = maintenance = _ZERO
        shares: dict[str, Decimal] = {}
        for con_id, quantity in held.items():
            contract = self.contract(con_id)
            if contract.is_option or not quantity:
                continue
            worth = abs(quantity) * self.mark(contract, now)
            initial += worth / 2
            maintenance += worth * (Decimal("0.25") if quantity > 0 else Decimal("0.30"))
            shares[contract.symbol] = max(_ZERO, quantity)
        for con_id, quantity in held.items():
            contract = self.contract(con_id)
            if not contract.is_option or quantity >= 0:
                continue
            uncovered = -quantity
            if contract.is_call:
                covered = min(uncovered, shares.get(contract.symbol, _ZERO) // contract.multiplier)
                shares[contract.symbol] = (
                    shares.get(contract.symbol, _ZERO) - covered * contract.multiplier
                )
                uncovered -= covered
            need = uncovered * self._naked(contract, now)
            initial += need
            maintenance += need
        return initial, maintenance

    def _naked(self, contract: Contract, now: float) -> Decimal:
        """Requirement of one uncovered option above its market value: 20 % less what it is out of
        the money."""
        spot = Decimal(str(round(self._market.spot(contract.symbol, now), 4)))
        strike = Decimal(str(contract.strike))
        out = max(_ZERO, strike - spot if contract.is_call else spot - strike)
        floor = (spot if contract.is_call else strike) / 10
        return max(spot / 5 - out, floor) * contract.multiplier

    def shortfall(
        self,
        contract: Contract,
        request: OrderRequest | Order,
        price: Decimal,
        open_extra: dict[int, Decimal],
        now: float,
    ) -> tuple[Decimal, Decimal] | None:
        """Equity and requirement when the order would breach initial margin; ``None`` when it would
        not.

        An order that only reduces a position never breaches.
        """
        held = self.quantity(contract.con_id)
        signed = request.quantity if request.is_buy else -request.quantity
        if held * signed < 0 and abs(signed) <= abs(held):
            return None
        extra = dict(open_extra)
        extra[contract.con_id] = extra.get(contract.con_id, _ZERO) + signed
        after = self.values(now, extra)
        equity = after["EquityWithLoanValue"] + min(after["OptionMarketValue"], _ZERO)
        if contract.is_option and request.is_buy:
            equity -= signed * price * contract.multiplier
        need = after["InitMarginReq"]
        return (equity, need) if equity < need else None


def truth_position(account: Account, position: Position) -> dict[str, Any]:
    """A position as the control API tells it."""
    return {
        **account.contract(position.con_id).describe(),
        "quantity": float(position.quantity),
        "average_cost": float(position.average_cost),
        "realized": float(position.realized),
    }


ExecutionListener = Callable[[Order, Execution], None]
