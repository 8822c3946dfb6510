"""Values of the exchange: orders, executions, what is asked of it."""

from dataclasses import asdict, dataclass, field
from decimal import Decimal
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

    @property
    def is_buy(self) -> bool:
        return self.action == "BUY"

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
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def restore(cls, stored: dict[str, Any]) -> "Order":
        values = dict(stored)
        for name in ("quantity", "filled", "value", "last_price"):
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
    """1 added, 2 removed liquidity."""

    def dump(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in asdict(self).items()}

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


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
