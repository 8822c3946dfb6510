"""Every code a decision can carry, with its meaning; `docs/reference/decisions.md` shows them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from theta.common.domain.decisions import Reason


class Code(StrEnum):
    """Stable codes: programs compare them, people read the text beside them."""

    PUT_PROPOSED = "put_proposed"
    TARGET_MET = "target_met"
    DAY_IS_GREEN = "day_is_green"
    DAY_IS_RED = "day_is_red"
    MOVE_BELOW_THRESHOLD = "move_below_threshold"
    REBALANCE_BUYS_SHARES = "rebalance_buys_shares"

    NO_TRADING = "no_trading"
    TRADING_STATE = "trading_state"
    MARKET_CLOSED = "market_closed"
    OUTSIDE_TRADING_WINDOW = "outside_trading_window"
    NET_LIQUIDATION_MISSING = "net_liquidation_missing"
    CURRENCY_DIFFERS = "currency_differs"
    UNDERLYING_UNKNOWN = "underlying_unknown"
    UNDERLYING_UNQUOTED = "underlying_unquoted"
    UNDERLYING_STALE = "underlying_stale"
    UNDERLYING_NOT_LIVE = "underlying_not_live"
    CLOSE_MISSING = "close_missing"
    HISTORY_MISSING = "history_missing"
    CHAIN_UNKNOWN = "chain_unknown"
    CHAIN_UNAVAILABLE = "chain_unavailable"
    NO_EXPIRY = "no_expiry"
    NO_STRIKE = "no_strike"
    NO_CONTRACT = "no_contract"

    TARGET = "target"
    DAY_MOVE = "day_move"
    QUANTITY = "quantity"

    CONTRACT_UNKNOWN = "contract_unknown"
    QUOTE_MISSING = "quote_missing"
    QUOTE_ONE_SIDED = "quote_one_sided"
    QUOTE_STALE = "quote_stale"
    QUOTE_NOT_LIVE = "quote_not_live"
    TERMS_DIFFER = "terms_differ"
    STRIKE_ABOVE_LIMIT = "strike_above_limit"
    STRIKE_WORTH_EXERCISING = "strike_worth_exercising"
    PRICE_BELOW_MINIMUM = "price_below_minimum"
    GREEKS_MISSING = "greeks_missing"
    DELTA_ABOVE_LIMIT = "delta_above_limit"
    OPEN_INTEREST_LOW = "open_interest_low"


DECIDING: Final[dict[Code, tuple[str, str]]] = {
    Code.PUT_PROPOSED: ("order", "Puts are to be sold; the order went to risk review."),
    Code.TARGET_MET: (
        "nothing",
        "Shares held, and those that short puts (held, pending, foreign) may assign, are enough.",
    ),
    Code.DAY_IS_GREEN: (
        "nothing",
        "The underlying is above its close and `write_when.puts.green` is false.",
    ),
    Code.DAY_IS_RED: (
        "nothing",
        "The underlying is below its close and `write_when.puts.red` is false.",
    ),
    Code.MOVE_BELOW_THRESHOLD: (
        "nothing",
        "The day's move, up or down, is smaller than `write_threshold` or `write_threshold_sigma`.",
    ),
    Code.REBALANCE_BUYS_SHARES: (
        "nothing",
        "The equity rebalance mode `buy_only` or `both` takes shares instead of puts.",
    ),
    Code.NO_TRADING: ("blocked", "The symbol has `no_trading = true`."),
    Code.TRADING_STATE: (
        "blocked",
        "Trading is reducing or halted for the account, the strategy or the symbol.",
    ),
    Code.MARKET_CLOSED: ("blocked", "The exchange is closed at market time."),
    Code.OUTSIDE_TRADING_WINDOW: (
        "blocked",
        "Market time is within `delay_after_open` or `delay_before_close` of the session's ends.",
    ),
    Code.NET_LIQUIDATION_MISSING: (
        "blocked",
        "The broker reported no positive net liquidation, so there is no target.",
    ),
    Code.CURRENCY_DIFFERS: (
        "blocked",
        "The account's base currency is not the underlying's; this version does not convert.",
    ),
    Code.UNDERLYING_UNKNOWN: ("blocked", "The broker knows no such stock."),
    Code.UNDERLYING_UNQUOTED: ("blocked", "The underlying has no usable price."),
    Code.UNDERLYING_STALE: (
        "blocked",
        "The underlying's quote is older than `risk.quote_age_seconds_max`, or not trusted.",
    ),
    Code.UNDERLYING_NOT_LIVE: ("blocked", "The underlying's quote is delayed or frozen."),
    Code.CLOSE_MISSING: (
        "blocked",
        "A rule compares with the previous close, and the broker gave none.",
    ),
    Code.HISTORY_MISSING: (
        "blocked",
        "`write_threshold_sigma` is set, and the daily closes it needs did not come.",
    ),
    Code.CHAIN_UNKNOWN: ("blocked", "The broker has no option chain for the symbol."),
    Code.CHAIN_UNAVAILABLE: ("blocked", "The option chain could not be read in time."),
    Code.NO_EXPIRY: ("blocked", "No expiry of the chain lies between `dte` and `max_dte`."),
    Code.NO_STRIKE: ("blocked", "No strike of the chain is at or below the highest one allowed."),
    Code.NO_CONTRACT: (
        "blocked",
        "Every contract looked at was refused; each refusal is recorded with its candidate.",
    ),
}
"""Codes that decide, with the outcome they lead to."""

FACTS: Final[dict[Code, str]] = {
    Code.TARGET: "Target shares, and what holdings and short puts already cover.",
    Code.DAY_MOVE: "The underlying's move since its close, and the least move asked for.",
    Code.QUANTITY: "Contracts wanted, and the caps of one run and of one order.",
}
"""Codes that explain a decision and never make it."""

REFUSALS: Final[dict[Code, str]] = {
    Code.CONTRACT_UNKNOWN: "The broker has no such contract.",
    Code.QUOTE_MISSING: "No quote came within the deadline.",
    Code.QUOTE_ONE_SIDED: "Bid or ask is missing, zero, crossed or without size.",
    Code.QUOTE_STALE: "The quote is older than `risk.quote_age_seconds_max`, or not trusted.",
    Code.QUOTE_NOT_LIVE: "The quote is delayed or frozen.",
    Code.TERMS_DIFFER: "The contract's multiplier or currency is not the chain's.",
    Code.STRIKE_ABOVE_LIMIT: "The strike is above `puts.strike_limit`.",
    Code.STRIKE_WORTH_EXERCISING: "The strike is above the underlying's price plus the put's.",
    Code.PRICE_BELOW_MINIMUM: "The price is not above `minimum_credit`, or there is none.",
    Code.GREEKS_MISSING: "The broker's model gave no delta, or one that no put can have.",
    Code.DELTA_ABOVE_LIMIT: "The absolute delta is above the target delta.",
    Code.OPEN_INTEREST_LOW: "Open interest is below `minimum_open_interest`, or not known.",
}
"""Codes that refuse one candidate."""


def reason(
    code: Code, text: str, *, limit: object | None = None, observed: object | None = None
) -> Reason:
    """Return a `Reason` of one of our codes; `limit` and `observed` become text."""
    return Reason(
        code=code.value,
        text=text,
        limit=None if limit is None else str(limit),
        observed=None if observed is None else str(observed),
    )
