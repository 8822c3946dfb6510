"""Portfolio snapshots: storing a complete account download and reading the newest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, insert, select

from theta.common.domain.instruments import Contract
from theta.common.domain.portfolio import AccountValues, Portfolio, Position
from theta.common.postgres.tables import portfolio_snapshot, position_snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPortfolio:
    """A stored snapshot. `requested_at` is when its account download was asked for (wall clock)."""

    snapshot_id: UUID
    requested_at: datetime
    taken_at: datetime
    portfolio: Portfolio


def store_portfolio(
    connection: Connection,
    portfolio: Portfolio,
    *,
    snapshot_id: UUID,
    session: str,
    requested_at: datetime,
) -> None:
    """Store a snapshot with its positions in the caller's transaction."""
    values = portfolio.values
    connection.execute(
        insert(portfolio_snapshot).values(
            id=snapshot_id,
            account=portfolio.account,
            session=session,
            requested_at=requested_at,
            market_at=portfolio.market_at,
            currency=values.currency,
            net_liquidation=values.net_liquidation,
            total_cash=values.total_cash,
            buying_power=values.buying_power,
            available_funds=values.available_funds,
            excess_liquidity=values.excess_liquidity,
            initial_margin=values.initial_margin,
            maintenance_margin=values.maintenance_margin,
            cushion_ratio=values.cushion_ratio,
            complete=portfolio.complete,
        )
    )
    rows = [
        {
            "snapshot_id": snapshot_id,
            "row_no": number,
            "account": portfolio.account,
            "session": session,
            "con_id": held.contract.con_id,
            "symbol": held.contract.symbol,
            "contract": held.contract.to_record(),
            "quantity": held.quantity,
            "average_cost": held.average_cost_usd,
            "market_price": held.market_price,
            "market_value": held.market_value_usd,
            "unrealised_pnl": held.unrealised_pnl_usd,
            "realised_pnl": held.realised_pnl_usd,
        }
        for number, held in enumerate(portfolio.positions)
    ]
    if rows:
        connection.execute(insert(position_snapshot), rows)


def newest_portfolio(connection: Connection, account: str) -> StoredPortfolio | None:
    """Return the newest complete snapshot of the account, `None` when there is none."""
    row = connection.execute(
        select(portfolio_snapshot)
        .where(portfolio_snapshot.c.account == account, portfolio_snapshot.c.complete)
        .order_by(portfolio_snapshot.c.taken_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    held = connection.execute(
        select(position_snapshot)
        .where(position_snapshot.c.snapshot_id == row.id)
        .order_by(position_snapshot.c.row_no)
    )
    positions = tuple(
        Position(
            contract=Contract.from_record(item.contract),
            quantity=item.quantity,
            average_cost_usd=item.average_cost,
            market_price=item.market_price,
            market_value_usd=item.market_value,
            unrealised_pnl_usd=item.unrealised_pnl,
            realised_pnl_usd=item.realised_pnl,
        )
        for item in held
    )
    values = AccountValues(
        currency=row.currency,
        net_liquidation=row.net_liquidation,
        total_cash=row.total_cash,
        buying_power=row.buying_power,
        available_funds=row.available_funds,
        excess_liquidity=row.excess_liquidity,
        initial_margin=row.initial_margin,
        maintenance_margin=row.maintenance_margin,
        cushion_ratio=row.cushion_ratio,
    )
    portfolio = Portfolio(
        account=account,
        market_at=row.market_at,
        values=values,
        positions=positions,
        complete=row.complete,
    )
    return StoredPortfolio(
        snapshot_id=row.id,
        requested_at=row.requested_at,
        taken_at=row.taken_at,
        portfolio=portfolio,
    )
