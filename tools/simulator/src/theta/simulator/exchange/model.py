"""Values of the exchange: orders, executions, what is asked of it."""

from dataclasses import dataclass, field, fields
from decimal import Decimal
from operator import attrgetter
from typing import Any

PENDING = "PendingSubmit"
PRE_SUBMITTED = "PreSubmitted"
SUBMITTED = "Submitted"
PENDING_CANCEL = "PendingCancel"
FILLED = "Filled"
CANCELLED = "Cancelled"
INACTIVE = "Inactive"
FINAL = frozenset({FILLED, CANCELLED, INACTIVE})


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a client asks for. Prices are USD per share; ``limit`` is ``None`` where the type has
    none.

    ``stop`` is the auxiliary price (trigger of a STP, offset of a trailing order). ``good_till``
    and ``good_after`` are TWS times as sent, empty for none. ``algo`` and ``algo_params`` are the
    strategy and its tags as sent. ``extras`` holds every other attribute as sent, by its API name,
    to be told again in open orders; the exchange does not read it.
    """

    action: str
    quantity: Decimal
    order_type: str
    limit: Decimal | None
    tif: str
    account: str
    order_ref: str
    outside_rth: bool
    transmit: bool
    what_if: bool
    open_close: str = ""
    stop: Decimal | None = None
    good_till: str = ""
    good_after: str = ""
    algo: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()
    parent_id: int = 0
    oca_group: str = ""
    oca_type: int = 0
    all_or_none: bool = False
    leg_prices: tuple[Decimal | None, ...] = ()
    extras: tuple[tuple[str, str], ...] = ()

    @property
    def is_buy(self) -> bool:
        return self.action == "BUY"


@dataclass(slots=True)
class Order:
    """An order at the broker; ``perm_id`` is its account-wide identity.

    ``heard`` is false while its acknowledgement is swallowed; ``bound`` is false once a roll-back
    of order ids made
    the broker forget which order the client's id meant.
    """

    perm_id: int
    client_id: int
    order_id: int
    con_id: int
    action: str
    quantity: Decimal
    order_type: str
    limit: Decimal | None
    tif: str
    account: str
    order_ref: str
    outside_rth: bool
    placed_at: float
    expires_at: float | None
    status: str = PENDING
    filled: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)
    heard: bool = True
    bound: bool = True
    revision: int = 0
    hazard: float = 0.0
    looked_at: float = 0.0
    ended_at: float | None = None
    end_reason: str = ""
    timeline: list[dict[str, Any]] = field(default_factory=list)
    stop: Decimal | None = None
    triggered: bool = False
    good_till: str = ""
    good_after: str = ""
    algo: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()
    parent_id: int = 0
    oca_group: str = ""
    oca_type: int = 0
    all_or_none: bool = False
    open_close: str = ""
    transmit: bool = True
    extras: tuple[tuple[str, str], ...] = ()
    parent_perm: int = 0
    """The parent's identity at the broker, 0 without one; the order is held until it has filled."""

    working_since: float | None = None
    fees: Decimal = Decimal(0)
    unit_fees: Decimal = Decimal(0)
    fee_value: Decimal = Decimal(0)
    """Commission charged so far, what it would be without the minimum of an order, and the value
    of the trades it was charged for, USD."""

    reserved: Decimal = Decimal(0)
    """Available funds that the whole order takes when it trades, USD; never negative."""

    @property
    def is_buy(self) -> bool:
        return self.action == "BUY"

    @property
    def sign(self) -> int:
        return 1 if self.action == "BUY" else -1

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal:
        """Average fill price per share; 0 without a fill."""
        return self.value / self.filled if self.filled else Decimal(0)

    @property
    def key(self) -> str:
        """What the order's seeded draws hang on: its reference, else its ids."""
        return self.order_ref or f"{self.client_id}:{self.order_id}"

    def dump(self) -> dict[str, Any]:
        """What differs from a new order's defaults."""
        return _ORDER_FIELDS.differing(self)

    @classmethod
    def restore(cls, stored: dict[str, Any]) -> "Order":
        values = dict(stored)
        for name in _ORDER_AMOUNTS:
            if name in values:
                values[name] = Decimal(values[name])
        for name in ("limit", "stop"):
            stored_price = values.get(name)
            values[name] = None if stored_price is None else Decimal(stored_price)
        for name in ("algo_params", "extras"):
            values[name] = tuple((tag, text) for tag, text in values.get(name, ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill. ``realized`` is ``None`` for a fill that only opens; ``day`` is its New York date
    (ISO)."""

    exec_id: str
    perm_id: int
    client_id: int
    order_id: int
    order_ref: str
    account: str
    con_id: int
    side: str
    shares: Decimal
    price: Decimal
    cumulative: Decimal
    average_price: Decimal
    at: float
    day: str
    exchange: str
    commission: Decimal
    realized: Decimal | None
    leg: bool = False
    """Whether this is a leg of a combination's fill; the combination has an execution too."""

    liquidity: int = 2
    """1 added, 2 removed liquidity, 0 for an exercise or assignment."""

    kind: str = "trade"
    """trade, or how the position ended: exercise, assignment, settlement (in cash)."""

    @property
    def signed(self) -> Decimal:
        return self.shares if self.side == "BOT" else -self.shares

    def dump(self) -> dict[str, Any]:
        """What differs from the defaults."""
        return _EXECUTION_FIELDS.differing(self)

    @classmethod
    def restore(cls, stored: dict[str, Any]) -> "Execution":
        values = dict(stored)
        for name in ("shares", "price", "cumulative", "average_price", "commission"):
            values[name] = Decimal(values[name])
        values["realized"] = None if values["realized"] is None else Decimal(values["realized"])
        return cls(**values)


@dataclass(slots=True)
class Position:
    """Signed quantity and average cost per contract or share (an option's includes its
    multiplier)."""

    con_id: int
    quantity: Decimal = Decimal(0)
    average_cost: Decimal = Decimal(0)
    realized: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Flow:
    """Money or units that moved without a trade.

    ``kind`` is deposit, dividend, interest, expiry (worthless) or split; ``amount`` is USD into
    the account; ``units`` are signed changes of the position per contract id.
    """

    at: float
    account: str
    kind: str
    amount: Decimal
    units: tuple[tuple[int, Decimal], ...] = ()
    note: str = ""

    def dump(self) -> dict[str, Any]:
        units = [[con_id, str(change)] for con_id, change in self.units]
        return {
            "at": self.at,
            "account": self.account,
            "kind": self.kind,
            "amount": str(self.amount),
            "units": units,
            "note": self.note,
        }

    @classmethod
    def restore(cls, stored: dict[str, Any]) -> "Flow":
        units = tuple((con_id, Decimal(change)) for con_id, change in stored["units"])
        amount = Decimal(stored["amount"])
        return cls(stored["at"], stored["account"], stored["kind"], amount, units, stored["note"])


class _Fields:
    """Names, defaults and one quick reader of every field of a class."""

    def __init__(self, kind: type[Order] | type[Execution]) -> None:
        known = fields(kind)
        self._names = tuple(each.name for each in known)
        self._defaults = tuple(each.default for each in known)
        self._read = attrgetter(*self._names)

    def differing(self, item: Order | Execution) -> dict[str, Any]:
        rows = zip(self._names, self._read(item), self._defaults, strict=True)
        return {
            name: value
            for name, value, default in rows
            if value is not default and value != default
        }


_ORDER_FIELDS = _Fields(Order)
_EXECUTION_FIELDS = _Fields(Execution)
_ORDER_AMOUNTS = (
    "quantity", "filled", "value", "last_price", "fees", "unit_fees", "fee_value", "reserved",
)  # fmt: skip
