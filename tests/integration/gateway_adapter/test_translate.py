"""Between the library's objects and the domain."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theta.broker_gateway.adapters.ibkr import translate
from theta.broker_gateway.adapters.ibkr.library import (
    UNSET_DOUBLE,
    UNSET_INTEGER,
    CommissionReport,
    Execution,
    IbContract,
    Order,
    OrderState,
)
from theta.broker_gateway.ports import OrderToPlace
from theta.common.domain.instruments import Contract, Right, SecType, stock
from theta.common.domain.orders import Action

ABSENT = [UNSET_DOUBLE, -UNSET_DOUBLE, UNSET_INTEGER, math.nan, math.inf, -math.inf, "", " ", None]

prices = st.decimals("0.01", "99999", places=2)
contracts = st.one_of(
    st.builds(stock, st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=5)),
    st.builds(
        Contract,
        symbol=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=5),
        sec_type=st.just(SecType.OPTION),
        con_id=st.none() | st.integers(1, 2**31 - 2),
        expiry=st.dates(date(2020, 1, 1), date(2040, 1, 1)),
        strike=st.decimals("0.5", "9999", places=1),
        right=st.sampled_from(Right),
        multiplier=st.sampled_from([1, 10, 100]),
        trading_class=st.text("ABC", max_size=4),
    ),
)


@pytest.mark.parametrize("value", ABSENT)
def test_sentinels_are_absent_in_every_reading(value: float | str | None) -> None:
    assert translate.number(value) is None
    assert translate.positive(value) is None
    assert translate.not_negative(value) is None


@pytest.mark.parametrize(
    ("value", "number", "positive", "not_negative", "greek"),
    [
        (-1.0, -1, None, None, -1),
        (-2.0, -2, None, None, None),
        (0.0, 0, None, 0, 0),
        (0.25, Decimal("0.25"), Decimal("0.25"), Decimal("0.25"), Decimal("0.25")),
    ],
)
def test_small_sentinels_depend_on_what_is_read(
    value: float, number: object, positive: object, not_negative: object, greek: object
) -> None:
    assert translate.number(value) == number
    assert translate.positive(value) == positive
    assert translate.not_negative(value) == not_negative
    assert translate.greek(value) == greek


@given(st.floats() | st.integers(-(10**12), 10**12) | st.text(max_size=12))
def test_any_number_is_finite_or_absent(value: float | int | str) -> None:
    found = translate.number(value)
    assert found is None or (found.is_finite() and abs(found) < Decimal("1e300"))


@given(contracts)
def test_contract_goes_there_and_back(contract: Contract) -> None:
    assert translate.contract_to_domain(translate.contract_to_broker(contract)) == contract


@pytest.mark.parametrize("right", ["", "0", "?"])
def test_stock_needs_no_multiplier_and_its_right_is_noise(right: str) -> None:
    told = IbContract(secType="STK", symbol="SPY", conId=1, right=right, currency="USD")
    assert translate.contract_to_domain(told) == Contract(
        symbol="SPY", sec_type=SecType.STOCK, con_id=1
    )


@pytest.mark.parametrize(
    "told",
    [
        IbContract(secType="FUT", symbol="ES"),
        IbContract(secType="", symbol="SPY"),
        IbContract(secType="OPT", symbol="SPY", strike=5, right="P", multiplier="100"),
        IbContract(
            secType="OPT", symbol="SPY", lastTradeDateOrContractMonth="20260918", strike=5,
            right="P", multiplier="",
        ),
        IbContract(
            secType="OPT", symbol="SPY", lastTradeDateOrContractMonth="2026", strike=5,
            right="P", multiplier="100",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_traded_is_refused(told: IbContract) -> None:
    with pytest.raises(translate.UntranslatableError):
        translate.contract_to_domain(told)


def test_option_expiry_may_carry_a_time() -> None:
    assert translate.expiry_date("20260918 16:00:00 US/Eastern") == date(2026, 9, 18)
    assert translate.expiry_date("") is None


@given(prices, st.integers(1, 500))
def test_order_message_says_all_that_matters(price: Decimal, quantity: int) -> None:
    told = translate.order_to_broker(
        OrderToPlace(
            order_ref="theta-a", order_id=7, connection_no=1, account="DU1",
            contract=stock("SPY"), action=Action.SELL, quantity=quantity, limit_price=price,
        )
    )  # fmt: skip
    assert Decimal(str(told.lmtPrice)) == price
    assert (told.orderId, told.action, told.totalQuantity) == (7, "SELL", quantity)
    assert (told.orderType, told.tif, told.account, told.orderRef) == (
        "LMT", "DAY", "DU1", "theta-a",
    )  # fmt: skip
    assert told.transmit
    assert not told.whatIf
    assert not told.outsideRth


def test_completed_order_keeps_what_filled_when_tws_says_a_total_of_zero() -> None:
    told = translate.completed_order(
        IbContract(secType="STK", symbol="SPY"),
        Order(action="BUY", totalQuantity=0, filledQuantity=3, permId=9, orderRef="r"),
        OrderState(status="Filled", completedStatus="Filled Size: 3"),
    )
    assert (told.quantity, told.filled, told.remaining) == (Decimal(3), Decimal(3), Decimal(0))
    assert (told.order_id, told.client_id, told.perm_id) == (0, 0, 9)
    unfilled = translate.completed_order(
        IbContract(secType="STK", symbol="SPY"),
        Order(action="BUY", totalQuantity=3, filledQuantity=UNSET_DOUBLE, permId=9),
        OrderState(status="Cancelled"),
    )
    assert unfilled.filled is None
    assert unfilled.remaining is None


def test_execution_side_time_and_hand_made_id() -> None:
    told = translate.execution(
        IbContract(secType="STK", symbol="SPY"),
        Execution(
            execId="1.01", time=datetime(2026, 8, 18, 15, tzinfo=UTC), acctNumber="DU1",
            side="SLD", shares=2, price=1.5, permId=4, clientId=0, orderId=UNSET_INTEGER,
        ),
    )  # fmt: skip
    assert (told.side, told.quantity, told.price) == (Action.SELL, Decimal(2), Decimal("1.5"))
    assert told.order_id == 0
    assert told.executed_at.tzinfo is UTC
    assert json.dumps(translate.payload(told))


def test_commission_without_a_gain_has_none() -> None:
    told = translate.commission(
        CommissionReport(execId="1", commission=1.05, currency="USD", realizedPNL=UNSET_DOUBLE)
    )
    assert told == {
        "exec_id": "1", "commission": "1.05", "currency": "USD", "realised_pnl": None,
    }  # fmt: skip


def test_account_values_are_those_of_the_base_currency() -> None:
    values = translate.account_values(
        {
            ("NetLiquidation", "USD"): "1000.50",
            ("TotalCashValue", "EUR"): "7",
            ("TotalCashValue", "USD"): "900",
            ("BuyingPower", "BASE"): "4000",
            ("Cushion", ""): "0.9",
            ("AvailableFunds", "EUR"): "5",
            ("ExcessLiquidity", "USD"): str(UNSET_DOUBLE),
        }
    )
    assert values.currency == "USD"
    assert values.net_liquidation == Decimal("1000.50")
    assert values.total_cash == 900
    assert values.buying_power == 4000
    assert values.cushion_ratio == Decimal("0.9")
    assert values.available_funds is None
    assert values.excess_liquidity is None


def test_position_keeps_signs_and_drops_absent_figures() -> None:
    held = translate.position(
        IbContract(secType="STK", symbol="SPY"), -5, 0.0, market_price=-1.0,
        market_value=-50.0, unrealised=0.0, realised=UNSET_DOUBLE,
    )  # fmt: skip
    assert held.quantity == -5
    assert held.average_cost_usd is None
    assert held.market_price is None
    assert held.market_value_usd == -50
    assert held.unrealised_pnl_usd == 0
    assert held.realised_pnl_usd is None
