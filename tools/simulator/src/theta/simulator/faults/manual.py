"""Orders that somebody places by hand at the TWS window, outside every API client."""

from decimal import Decimal
from typing import TYPE_CHECKING

from theta.simulator.exchange.model import OrderRequest
from theta.simulator.faults.kinds import FaultKind, Values
from theta.simulator.faults.orders import GROUP
from theta.simulator.faults.parameters import ABSENT, FaultError, Parameter
from theta.simulator.market.contracts import Query

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway


def _place(gateway: "Gateway", values: Values) -> Values:
    exchange = gateway.exchange
    query = Query(
        symbol=values["symbol"],
        sec_type="OPT" if values["expiry"] else "STK",
        expiry=values["expiry"],
        strike=values["strike"],
        right=values["right"],
    )
    found = exchange.market.find(query, exchange.clock.now())
    if len(found) != 1:
        raise FaultError(404, f"{len(found)} contracts fit this description; give one.")
    limit = values["limit"]
    if (limit is None) != (values["order_type"] == "MKT"):
        raise FaultError(400, "limit must be given for LMT, and for nothing else.")
    request = OrderRequest(
        action=values["action"],
        quantity=Decimal(values["quantity"]),
        order_type=values["order_type"],
        limit=None if limit is None else Decimal(str(round(limit, 4))),
        tif=values["tif"],
        account=values["account"] or exchange.account.name,
        order_ref=values["order_ref"],
        outside_rth=False,
        transmit=True,
        what_if=False,
    )
    if request.account not in exchange.accounts:
        raise FaultError(404, f"There is no account {request.account}.")
    order = exchange.place(0, 0, found[0], request, "")
    exchange.acknowledge(order)
    if gateway.callbacks.binds_manual_orders:
        gateway.callbacks.bind_manual_orders()
    return {"perm_id": order.perm_id, "status": order.status}


KINDS = (
    FaultKind(
        "manual_order", GROUP, "Somebody places an order by hand at the TWS window.",
        "An open order with order id 0 for whoever asks for all of them; client 0 can bind it.",
        _place,
        (
            Parameter("symbol", "text", "the underlying"),
            Parameter("action", "choice", "which side", choices=("BUY", "SELL")),
            Parameter("quantity", "whole", "shares or contracts", low=1, high=1e6),
            Parameter("order_type", "choice", "which type", "LMT", choices=("LMT", "MKT")),
            Parameter("limit", "number", "limit price, USD per share", ABSENT, 0.01, 1e6),
            Parameter("expiry", "text", "of an option, YYYYMMDD", ""),
            Parameter("strike", "number", "of an option", 0.0),
            Parameter("right", "choice", "of an option", "", choices=("", "C", "P")),
            Parameter("tif", "choice", "how long", "DAY", choices=("DAY", "GTC")),
            Parameter("account", "text", "whose; left out: the first account's", ABSENT),
            Parameter("order_ref", "text", "its reference", ""),
        ),
    ),
)  # fmt: skip
