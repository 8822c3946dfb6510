"""Every request of the TWS protocol, and what this gateway does with it.

The reference documentation is generated from this table, and a test sends each request to a
running gateway: a supported one is answered with its own message, a refused one with the error.
"""

from dataclasses import dataclass
from typing import Final

SUPPORTED_STATE: Final = "supported"
REFUSED_STATE: Final = "refused"


@dataclass(frozen=True, slots=True)
class Support:
    """One request by its API name and message ``number``; ``state`` is supported or refused.

    ``note`` says what is answered, or with which error. ``code`` is the error of a refused one, 0
    for a supported one.
    """

    name: str
    number: int
    state: str
    note: str
    code: int = 0


def _yes(number: int, name: str, note: str = "") -> Support:
    return Support(name, number, SUPPORTED_STATE, note)


def _no(number: int, name: str, code: int, note: str) -> Support:
    return Support(name, number, REFUSED_STATE, note, code)


SUPPORTED: Final[tuple[Support, ...]] = (
    _yes(71, "startApi", "optional capabilities are accepted; error 326 for a client id in use"),
    _yes(8, "reqIds", "one above the highest id of this client; may go back after a restart"),
    _yes(49, "reqCurrentTime", "the market's time"),
    _yes(14, "setServerLogLevel", "levels 1 to 5 are accepted; the log has one"),
    _yes(17, "reqManagedAccts", "every account under the login"),
    _yes(104, "reqUserInfo", "an empty white-branding id"),
    # Accounts.
    _yes(6, "reqAccountUpdates", "one account at a time (2100); changes, and every 3 minutes"),
    _yes(62, "reqAccountSummary",
         "every tag, `$LEDGER`, `$LEDGER:USD`, `$LEDGER:ALL`; group `All` or an account; at most"
         " two; changes, and every 3 minutes"),
    _yes(63, "cancelAccountSummary"),
    _yes(76, "reqAccountUpdatesMulti", "model codes are ignored"),
    _yes(77, "cancelAccountUpdatesMulti"),
    _yes(61, "reqPositions", "every account, then each change"),
    _yes(64, "cancelPositions"),
    _yes(74, "reqPositionsMulti", "one account, or all for an empty name"),
    _yes(75, "cancelPositionsMulti"),
    _yes(92, "reqPnL", "when it changes, at most once a second; daily since the last close"),
    _yes(93, "cancelPnL", "10185 where nothing is subscribed"),
    _yes(94, "reqPnLSingle", "the same for one position; 2150 for one the account does not have"),
    _yes(95, "cancelPnLSingle", "10186 where nothing is subscribed"),
    _yes(80, "reqFamilyCodes", "linked accounts share a code"),
    # Orders.
    _yes(3, "placeOrder", "see [exchange and accounts](simulator-exchange.md)"),
    _yes(4, "cancelOrder"),
    _yes(5, "reqOpenOrders"),
    _yes(16, "reqAllOpenOrders"),
    _yes(15, "reqAutoOpenOrders", "client 0 only (327)"),
    _yes(58, "reqGlobalCancel"),
    _yes(99, "reqCompletedOrders", "of today in New York"),
    _yes(7, "reqExecutions", "of today in New York, with the filter"),
    _yes(21, "exerciseOptions", "exercise and lapse"),
    # Contracts.
    _yes(9, "reqContractDetails", "stocks, options, indexes; parts may be left out"),
    _yes(81, "reqMatchingSymbols", "by symbol, then by name; at most 16"),
    _yes(78, "reqSecDefOptParams", "by exchange and trading class"),
    _yes(91, "reqMarketRule"),
    _yes(83, "reqSmartComponents"),
    _yes(82, "reqMktDepthExchanges", "an empty list"),
    _yes(79, "reqSoftDollarTiers", "an empty list"),
    # Market data.
    _yes(1, "reqMktData",
         "streaming and snapshot (ends within 11 s); regulatory snapshots are refused (10188);"
         " generic ticks 100, 101, 104, 105, 106, 165, 221, 225, 232, 233, 236, 258, 456, the"
         " other legal ones stay silent"),
    _yes(2, "cancelMktData", "300 for an unknown id"),
    _yes(59, "reqMarketDataType",
         "live, frozen, delayed, delayed-frozen; live data, where subscribed, replace delayed"),
    _yes(97, "reqTickByTickData", "stocks: Last, AllLast, BidAsk, MidPoint; 10189 for the rest"),
    _yes(98, "cancelTickByTickData", "300 for an unknown id"),
    _yes(54, "calculateImpliedVolatility"),
    _yes(56, "cancelCalculateImpliedVolatility"),
    _yes(55, "calculateOptionPrice"),
    _yes(57, "cancelCalculateOptionPrice"),
    # History.
    _yes(20, "reqHistoricalData",
         "TRADES, ADJUSTED_LAST, MIDPOINT, BID, ASK, BID_ASK, HISTORICAL_VOLATILITY,"
         " OPTION_IMPLIED_VOLATILITY; every bar size; both date formats; keepUpToDate"),
    _yes(25, "cancelHistoricalData", "366 for an unknown id"),
    _yes(87, "reqHeadTimeStamp"),
    _yes(90, "cancelHeadTimeStamp"),
    _yes(50, "reqRealTimeBars", "five seconds: TRADES, MIDPOINT, BID, ASK"),
    _yes(51, "cancelRealTimeBars", "300 for an unknown id"),
    # News.
    _yes(12, "reqNewsBulletins", "those that the control API posts"),
    _yes(13, "cancelNewsBulletins"),
    _yes(85, "reqNewsProviders", "an empty list"),
    _yes(67, "queryDisplayGroups", "no group"),
    _no(84, "reqNewsArticle", 10172, "no article"),
    _no(86, "reqHistoricalNews", 321, "no news source"),
    # What TWS itself may not give.
    _no(10, "reqMktDepth", 10092, "no deep book"),
    _no(11, "cancelMktDepth", 310, "no deep book"),
    _no(18, "requestFA", 321, "not an adviser's login"),
    _no(19, "replaceFA", 321, "not an adviser's login"),
    _no(22, "reqScannerSubscription", 162, "not permitted"),
    _no(23, "cancelScannerSubscription", 385, "nothing subscribed"),
    _no(24, "reqScannerParameters", 322, "not available"),
    _no(52, "reqFundamentalData", 430, "not available"),
    _no(53, "cancelFundamentalData", 431, "nothing requested"),
    _no(65, "verifyRequest", 322, "verification is not enabled"),
    _no(66, "verifyMessage", 322, "verification is not enabled"),
    _no(68, "subscribeToGroupEvents", 322, "no group"),
    _no(69, "updateDisplayGroup", 322, "no group"),
    _no(70, "unsubscribeFromGroupEvents", 322, "no group"),
    _no(72, "verifyAndAuthRequest", 322, "verification is not enabled"),
    _no(73, "verifyAndAuthMessage", 322, "verification is not enabled"),
    _no(88, "reqHistogramData", 322, "not available"),
    _no(89, "cancelHistogramData", 300, "nothing requested"),
    _no(96, "reqHistoricalTicks", 10187, "not available"),
    _no(100, "reqWshMetaData", 10276, "not allowed"),
    _no(101, "cancelWshMetaData", 10276, "not allowed"),
    _no(102, "reqWshEventData", 10276, "not allowed"),
    _no(103, "cancelWshEventData", 10276, "not allowed"),
)  # fmt: skip
"""Everything a client of a version up to 178 can send."""
