"""What really is: orders, executions, positions, cash, messages."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from theta.simulator.exchange.account import Account, truth_position
from theta.simulator.exchange.model import Execution, Order
from theta.simulator.market import calendar

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway


def iso(epoch: float | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC).isoformat()


def clock(gateway: "Gateway") -> dict[str, Any]:
    """Market time, speed, and whether the market is open."""
    sim = gateway.exchange.clock
    now = sim.now()
    return {
        "now": iso(now),
        "epoch": now,
        "speed": sim.speed,
        "flat_out": sim.flat_out,
        "paused": sim.paused,
        "market_open": calendar.is_open(now),
        "trading_date": calendar.trading_date(now).isoformat(),
    }


def truth(gateway: "Gateway") -> dict[str, Any]:
    exchange = gateway.exchange
    account = exchange.account
    return {
        "clock": clock(gateway),
        "account": account.name,
        "cash": float(account.cash),
        "commissions": float(account.commissions),
        "realized": float(account.realized),
        "net_liquidation": float(account.values(exchange.clock.now())["NetLiquidation"]),
        "orders": [_order(gateway, order) for order in exchange.orders.values()],
        "executions": [_execution(gateway, item) for item in exchange.executions],
        "flows": [
            {**flow.dump(), "at": iso(flow.at), "amount": float(flow.amount)}
            for flow in exchange.books.flows
        ],
        "positions": _positions(account),
        "accounts": {
            name: {
                "cash": float(other.cash),
                "commissions": float(other.commissions),
                "realized": float(other.realized),
                "net_liquidation": float(other.values(exchange.clock.now())["NetLiquidation"]),
                "positions": _positions(other),
            }
            for name, other in exchange.accounts.items()
        },
        "messages": messages(gateway),
        "connected_clients": sorted(gateway.sessions),
    }


def _positions(account: Account) -> list[dict[str, Any]]:
    return [
        truth_position(account, position)
        for position in account.positions.values()
        if position.quantity
    ]


def messages(gateway: "Gateway") -> dict[str, Any]:
    """Messages received since the last reset."""
    return {
        "total": sum(gateway.messages.values()),
        "by_type": dict(gateway.messages),
        "by_client": {name: dict(count) for name, count in gateway.messages_by_client.items()},
        "pacing_violations": gateway.pacing_violations,
    }


def _order(gateway: "Gateway", order: Order) -> dict[str, Any]:
    contract = gateway.exchange.account.contract(order.con_id)
    return {
        "order_ref": order.order_ref,
        "perm_id": order.perm_id,
        "client_id": order.client_id,
        "order_id": order.order_id,
        "account": order.account,
        "status": order.status,
        "final": order.is_final,
        "side": order.action,
        "qty": float(order.quantity),
        "filled": float(order.filled),
        "remaining": float(order.remaining),
        "limit": None if order.limit is None else float(order.limit),
        "order_type": order.order_type,
        "tif": order.tif,
        "average_price": float(order.average_price),
        "contract": contract.describe(),
        "placed_at": iso(order.placed_at),
        "expires_at": iso(order.expires_at),
        "ended_at": iso(order.ended_at),
        "end_reason": order.end_reason,
        "callbacks_swallowed": not order.heard,
        "id_rolled_back": not order.bound,
        "timeline": [
            {**entry, "market_at": iso(entry["market_at"]), "host_at": iso(entry["host_at"])}
            for entry in order.timeline
        ],
    }


def _execution(gateway: "Gateway", item: Execution) -> dict[str, Any]:
    return {
        "exec_id": item.exec_id,
        "perm_id": item.perm_id,
        "client_id": item.client_id,
        "order_id": item.order_id,
        "order_ref": item.order_ref,
        "side": item.side,
        "shares": float(item.shares),
        "price": float(item.price),
        "cumulative": float(item.cumulative),
        "at": iso(item.at),
        "trading_date": item.day,
        "commission": float(item.commission),
        "account": item.account,
        "leg": item.leg,
        "kind": item.kind,
        "realized": None if item.realized is None else float(item.realized),
        "contract": gateway.exchange.account.contract(item.con_id).describe(),
    }
