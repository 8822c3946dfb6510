"""Every message whose layout hangs on the version, read by every library that speaks it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.wire.libraries import ASYNC, INSYNC, Library, OfficialLibrary
from theta.simulator.exchange.model import Execution, Order
from theta.simulator.market.contracts import Contract, Leg
from theta.simulator.wire import messages, versioned
from theta.simulator.wire.versioned import Details, Hours, MarginFigures, OrderView

STOCK = Contract(756733, "SPY", "STK", "", 0.0, "", "ARCA", 0)
OPTION = Contract(700_000_001, "SPY", "OPT", "20260918", 740.0, "P", "", 756733)
INDEX = Contract(416904, "SPX", "IND", "", 0.0, "", "CBOE", 0)
LEGS = (Leg(700_000_001, 1, "SELL"), Leg(700_000_003, 2, "BUY"))
BAG = Contract(800_000_001, "SPY", "BAG", "", 0.0, "", "", 756733, legs=LEGS)
ALL = pytest.mark.parametrize("contract", [STOCK, OPTION, INDEX, BAG], ids=lambda c: c.sec_type)
WHEN = 1_789_392_600.0  # 14 September 2026, 9:30 in New York


@pytest.fixture(params=["ib_insync", "ib_async", "ibapi"])
def library(request: pytest.FixtureRequest) -> Library:
    if request.param == "ibapi":
        official: OfficialLibrary = request.getfixturevalue("ibapi")
        return official
    return INSYNC if request.param == "ib_insync" else ASYNC


def order(**changes: Any) -> Order:
    placed = Order(
        perm_id=77, client_id=9, order_id=41, con_id=OPTION.con_id, action="SELL",
        quantity=Decimal(3), order_type="LMT", limit=Decimal("3.55"), tif="DAY", account="DU1",
        order_ref="mine", outside_rth=False, placed_at=WHEN, expires_at=None, parent_id=40,
        filled=Decimal(1), value=Decimal("3.6"), last_price=Decimal("3.6"),
    )  # fmt: skip
    return replace(placed, **changes)


def same_contract(heard: Any, contract: Contract) -> None:
    assert (heard.conId, heard.symbol, heard.secType) == (
        contract.con_id,
        contract.symbol,
        contract.sec_type,
    )
    assert (heard.lastTradeDateOrContractMonth, heard.strike) == (contract.expiry, contract.strike)
    assert heard.multiplier == ("100" if contract.is_option else "")
    assert (heard.localSymbol, heard.tradingClass) == (
        contract.local_symbol,
        contract.trading_class,
    )


def test_order_status(library: Library) -> None:
    view = OrderView(order(), OPTION, "Submitted", 77, why_held="locate")
    for version in library.versions:
        heard = library.decode(version, versioned.order_status(version, view), "orderStatus")
        assert heard[:10] == (41, "Submitted", 1.0, 2.0, 3.6, 77, 40, 3.6, 9, "locate"), version
        assert heard[10] == (None if version < 131 else 0.0)


def test_an_order_id_is_told_to_the_client_that_it_is_bound_for(library: Library) -> None:
    for version in library.versions:
        fields = versioned.order_bound(77, 0, -5)
        assert library.decode(version, fields, "orderBound") == (77, 0, -5)


@ALL
def test_execution_and_commission(library: Library, contract: Contract) -> None:
    item = Execution(
        exec_id="0000e.1.01", perm_id=77, client_id=9, order_id=41, order_ref="mine",
        account="DU1", con_id=contract.con_id, side="SLD", shares=Decimal(1),
        price=Decimal("3.6"), cumulative=Decimal(2), average_price=Decimal("3.55"), at=WHEN,
        day="2026-09-14", exchange="CBOE", commission=Decimal("0.65"), realized=None, liquidity=1,
    )  # fmt: skip
    for version in library.versions:
        fields = versioned.execution(version, 5, contract, item)
        request, told, done = library.decode(version, fields, "execDetails")
        assert request == 5
        same_contract(told, contract)
        assert (done.execId, done.acctNumber, done.exchange) == ("0000e.1.01", "DU1", "CBOE")
        assert (done.side, done.shares, done.price) == ("SLD", 1.0, 3.6)
        assert (done.permId, done.clientId, done.orderId) == (77, 9, 41)
        assert (done.cumQty, done.avgPrice, done.orderRef) == (2.0, 3.55, "mine")
        if version >= 136:
            assert done.lastLiquidity == 1
        if version >= 178:
            assert done.pendingPriceRevision is False
        (report,) = library.decode(version, messages.commission_report(item), "commissionReport")
        assert (report.execId, report.commission, report.currency) == ("0000e.1.01", 0.65, "USD")


@ALL
def test_contract_details(library: Library, contract: Contract) -> None:
    details = Details(
        long_name="SPDR S&P 500 ETF",
        hours=Hours("20260914:0400-20260914:2000", "20260914:0930-20260914:1600"),
        min_tick=0.05,
        exchanges=("SMART", "CBOE"),
        rules=(109, 110),
        order_types="LMT,MKT",
        sizes=(0.5, 0.25, 100.0),
        kind="ETF",
        market_name="SPYM",
        under_symbol="SPY",
        under_sec_type="STK",
        industry="Funds",
        category="Equity",
        subcategory="Large",
        sec_ids=(("ISIN", "US78462F1030"), ("CUSIP", "78462F103")),
    )
    for version in library.versions:
        fields = versioned.contract_details(version, 5, contract, details)
        request, told = library.decode(version, fields, "contractDetails")
        assert request == 5
        same_contract(told.contract, contract)
        assert (told.contract.exchange, told.contract.currency) == ("SMART", "USD")
        assert told.contract.primaryExchange == contract.primary_exchange
        assert (told.marketName, told.minTick, told.priceMagnifier) == ("SPYM", 0.05, 1)
        assert (told.orderTypes, told.validExchanges) == ("LMT,MKT", "SMART,CBOE")
        assert (told.underConId, told.longName) == (contract.under_con_id, "SPDR S&P 500 ETF")
        assert told.contractMonth == contract.expiry[:6]
        assert (told.industry, told.category, told.subcategory) == ("Funds", "Equity", "Large")
        assert told.timeZoneId == "America/New_York"
        assert told.tradingHours == "20260914:0400-20260914:2000"
        assert told.liquidHours == "20260914:0930-20260914:1600"
        assert [(one.tag, one.value) for one in told.secIdList] == list(details.sec_ids)
        _newer_details(version, told, contract)


def _newer_details(version: int, told: Any, contract: Contract) -> None:
    if version >= 122:
        assert (told.underSymbol, told.underSecType) == ("SPY", "STK")
    if version >= 126:
        assert told.marketRuleIds == "109,110"
    if version >= 134:
        assert told.realExpirationDate == contract.expiry
    if version >= 152:
        assert told.stockType == "ETF"
    if version == 163:
        assert told.suggestedSizeIncrement == 0.25
    if version >= 164:
        sizes = (told.minSize, told.sizeIncrement, told.suggestedSizeIncrement)
        assert sizes == (0.5, 0.25, 100.0)


def test_errors(library: Library) -> None:
    for version in library.versions:
        fields = versioned.error(version, 41, 201, "Order rejected - reason:no", '{"a":1}')
        heard = library.decode(version, fields, "error")
        assert heard[:3] == (41, 201, "Order rejected - reason:no")
        if version >= 166:
            assert heard[3] == '{"a":1}'


def test_names_outside_ascii_are_escaped_for_clients_that_unescape(library: Library) -> None:
    details = Details("Société Générale €", Hours("", ""), 0.01, ("SMART",), (26,), "LMT")
    for version in library.versions:
        fields = versioned.contract_details(version, 5, STOCK, details)
        _, told = library.decode(version, fields, "contractDetails")
        assert told.longName == "Société Générale €", version


def test_what_if_figures(library: Library) -> None:
    margin = MarginFigures(
        ("1.0", "2.0", "3.0"), ("4.0", "5.0", "6.0"), ("7.0", "8.0", "9.0"), "1.5", "1.25", "1.75"
    )
    view = OrderView(order(), OPTION, "PreSubmitted", 0, True, margin, warning="Mind the gap")
    for version in library.versions:
        _, _, opened, state = library.decode(
            version, versioned.open_order(version, view), "openOrder"
        )
        assert opened.whatIf is True
        assert state.warningText == "Mind the gap"
        after = (state.initMarginAfter, state.maintMarginAfter, state.equityWithLoanAfter)
        assert after == ("7.0", "8.0", "9.0")
        assert (state.commission, state.minCommission, state.maxCommission) == (1.5, 1.25, 1.75)
        assert state.commissionCurrency == "USD"
        if version >= 142:
            assert (state.initMarginBefore, state.equityWithLoanChange) == ("1.0", "6.0")


def test_a_combination_without_told_legs_shows_its_contract_s_legs(library: Library) -> None:
    view = OrderView(order(con_id=BAG.con_id), BAG, "Submitted", 77)
    for version in library.versions:
        fields = versioned.open_order(version, view)
        _, told, _, _ = library.decode(version, fields, "openOrder")
        legs = [(leg.conId, leg.ratio, leg.action, leg.exchange) for leg in told.comboLegs]
        assert legs == [(700_000_001, 1, "SELL", "SMART"), (700_000_003, 2, "BUY", "SMART")]
        assert told.comboLegsDescrip == "700000001|-1,700000003|2"


def test_a_completed_order_tells_how_it_ended(library: Library) -> None:
    ended = order(end_reason="Cancelled by Trader", status="Cancelled")
    view = OrderView(ended, OPTION, "Cancelled", 77)
    for version in library.versions:
        if version < 150:
            continue
        told = versioned.completed_order(version, view, "20260914 12:00:00 US/Eastern")
        contract, done, state = library.decode(version, told, "completedOrder")
        same_contract(contract, OPTION)
        assert (done.permId, done.filledQuantity) == (77, 1.0)
        assert (state.status, state.completedStatus) == ("Cancelled", "Cancelled by Trader")
        assert state.completedTime == "20260914 12:00:00 US/Eastern"


def test_quantities_are_whole_before_fractions_were_allowed() -> None:
    view = OrderView(order(), OPTION, "Submitted", 77)
    assert versioned.order_status(100, view)[4:6] == [1, 2]
    assert versioned.order_status(101, view)[4:6] == [1.0, 2.0]
    assert str(versioned.order_status(100, view)[4]) == "1"
    assert versioned.open_order(100, view)[15] == "3"
