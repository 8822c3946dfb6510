"""A message between services changes only on purpose: its JSON schema is a snapshot.

To accept a change run `python -m tests.contract.test_message_schemas`, and raise the message's
version when a field was removed or changed its meaning.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.common.contracts import market
from theta.common.contracts.market import Message, PortfolioMessage, QuoteMessage
from theta.common.domain.instruments import Contract, Right, SecType, stock
from theta.common.domain.portfolio import AccountValues, Portfolio, Position
from theta.common.domain.quotes import Quote

SCHEMAS = Path(__file__).parent / "schemas"


def messages() -> list[type[Message]]:
    found = [value for value in vars(market).values() if isinstance(value, type)]
    return sorted(
        (item for item in found if issubclass(item, Message) and item is not Message),
        key=lambda item: item.__name__,
    )


def schema_text(message: type[Message]) -> str:
    return json.dumps(message.model_json_schema(), indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("message", messages(), ids=lambda item: item.__name__)
def test_the_schema_is_the_snapshot(message: type[Message]) -> None:
    assert schema_text(message) == (SCHEMAS / f"{message.__name__}.json").read_text()


def test_there_is_no_snapshot_without_message() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == {m.__name__ for m in messages()}


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        market.ContractMessage.model_validate({"symbol": "SPY", "sec_type": "STK", "strik": "1"})


PUT = Contract(
    symbol="SPY",
    sec_type=SecType.OPTION,
    expiry=date(2026, 9, 18),
    strike=Decimal("760.5"),
    right=Right.PUT,
    multiplier=100,
    con_id=7,
    trading_class="SPY",
)
maybe_price = st.one_of(st.none(), st.decimals("0.01", "1000", places=2))


@given(bid=maybe_price, ask=maybe_price, delta=st.one_of(st.none(), st.decimals(-1, 1, places=4)))
def test_a_quote_survives_the_wire(
    bid: Decimal | None, ask: Decimal | None, delta: Decimal | None
) -> None:
    quote = Quote(contract=PUT, at=datetime(2026, 8, 13, tzinfo=UTC), bid=bid, ask=ask, delta=delta)
    text = QuoteMessage.from_domain(quote).model_dump_json()
    assert QuoteMessage.model_validate_json(text).to_domain() == quote


def test_a_portfolio_survives_the_wire() -> None:
    portfolio = Portfolio(
        account="DU1",
        market_at=datetime(2026, 8, 13, tzinfo=UTC),
        values=AccountValues(
            currency="USD",
            net_liquidation=Decimal("400000.01"),
            total_cash=Decimal(1),
            buying_power=None,
        ),
        positions=(
            Position(contract=PUT, quantity=Decimal(-2), average_cost_usd=Decimal("512.3")),
            Position(contract=stock("SPY"), quantity=Decimal(100), average_cost_usd=None),
        ),
        complete=True,
    )
    text = PortfolioMessage.from_domain(portfolio, "s1").model_dump_json()
    assert PortfolioMessage.model_validate_json(text).to_domain() == portfolio


if __name__ == "__main__":
    for each in messages():
        (SCHEMAS / f"{each.__name__}.json").write_text(schema_text(each))
