"""Whether puts are to be written on a symbol, and how many: everything but the contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from theta.common.domain.calendar import is_tradable
from theta.common.domain.decisions import Outcome, Reason, days_to_expiry
from theta.common.domain.orders import TradingState
from theta.strategy.domain.policy import PutPolicy, WheelPolicy
from theta.strategy.domain.reasons import Code, reason
from theta.strategy.domain.snapshot import Chain, Snapshot, SymbolMarket
from theta.strategy.domain.targeting import (
    coverage_of,
    max_new_contracts,
    target_notional_usd,
    target_shares,
)
from theta.strategy.domain.volatility import daily_stddev, sigma_move

EXCHANGE_ZONE = ZoneInfo("America/New_York")
STRIKE_OVER_PRICE_RATIO = Decimal("1.05")
"""Without a strike limit no put above this multiple of the underlying is looked at (rule 1.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutNeed:
    """Puts are wanted: how many, and among which expiries and strikes."""

    policy: PutPolicy
    chain: Chain
    contracts: int
    price: Decimal
    """The underlying's mid price."""
    expiries: tuple[date, ...]
    """Ascending, within the DTE bounds, not empty."""
    strikes: tuple[Decimal, ...]
    """Ascending, up to the highest allowed, not empty."""
    today: date
    """The exchange's date at market time."""
    closes: tuple[Decimal, ...]
    facts: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoNeed:
    """No put is written; the first reason is the one that decided."""

    outcome: Outcome
    reasons: tuple[Reason, ...]


def assess(
    put: PutPolicy, snapshot: Snapshot, policy: WheelPolicy, now: datetime
) -> PutNeed | NoNeed:
    """Apply wheel rules 1.3 and 1.4 to one symbol. `now` is market time."""
    market = snapshot.markets.get(put.symbol, SymbolMarket())
    stop = permission(put, snapshot, policy, now) or _inputs(snapshot, market, policy)
    if stop is not None:
        return NoNeed(outcome=Outcome.BLOCKED, reasons=(stop,))
    if put.rebalance_buys:
        text = f"{put.symbol}: shares are bought directly, so no puts are written"
        return NoNeed(outcome=Outcome.NOTHING, reasons=(reason(Code.REBALANCE_BUYS_SHARES, text),))
    assert market.chain is not None
    wanted, facts = _wanted_contracts(put, snapshot, market, policy)
    if wanted <= 0:
        met = reason(
            Code.TARGET_MET,
            "the target is covered to less than one contract",
            limit=1,
            observed=wanted,
        )
        return NoNeed(outcome=Outcome.NOTHING, reasons=(met, *facts))
    move = _day_move(put, market, policy)
    if isinstance(move, NoNeed):
        return NoNeed(outcome=move.outcome, reasons=(*move.reasons, *facts))
    return _within_bounds(put, market, policy, now, wanted, (*facts, move))


def exchange_today(now: datetime) -> date:
    """Return the date in New York at market time `now`; the host's own date decides nothing."""
    return now.astimezone(EXCHANGE_ZONE).date()


def permission(
    put: PutPolicy, snapshot: Snapshot, policy: WheelPolicy, now: datetime
) -> Reason | None:
    """Return why the symbol may not be traded at all now, whatever the market shows, else `None`.

    Needs no quote: a symbol that is refused here need not be asked about.
    """
    if put.no_trading:
        return reason(Code.NO_TRADING, f"{put.symbol} has no_trading = true")
    state = snapshot.trading.get(put.symbol, TradingState.HALTED)
    if state is not TradingState.ACTIVE:
        return reason(
            Code.TRADING_STATE,
            f"trading is {state.value} for {put.symbol}",
            limit=TradingState.ACTIVE.value,
            observed=state.value,
        )
    if policy.ignore_hours:
        return None
    session = snapshot.session
    if session is None:
        return reason(Code.MARKET_CLOSED, "the exchange is closed", observed=now.isoformat())
    if not is_tradable(
        session,
        now,
        delay_after_open=policy.delay_after_open,
        delay_before_close=policy.delay_before_close,
    ):
        first = session.open_at + policy.delay_after_open
        last = session.close_at - policy.delay_before_close
        return reason(
            Code.OUTSIDE_TRADING_WINDOW,
            "market time is too near the session's open or close",
            limit=f"{first.isoformat()}..{last.isoformat()}",
            observed=now.isoformat(),
        )
    return None


def _inputs(snapshot: Snapshot, market: SymbolMarket, policy: WheelPolicy) -> Reason | None:
    values = snapshot.portfolio.values
    if values.net_liquidation is None or values.net_liquidation <= 0:
        return reason(
            Code.NET_LIQUIDATION_MISSING,
            "the account has no positive net liquidation",
            limit="> 0",
            observed=values.net_liquidation,
        )
    seen, fault = market.underlying, market.fault
    if seen is None:
        return fault or reason(Code.UNDERLYING_UNQUOTED, "no quote came for the underlying")
    price = seen.quote.market_price()
    if price is None or price <= 0 or not (seen.quote.mid_price() or 0) > 0:
        return reason(Code.UNDERLYING_UNQUOTED, "the underlying has no price", observed=price)
    if not seen.is_fresh(policy.quote_age_max):
        return reason(
            Code.UNDERLYING_STALE,
            "the underlying's quote is too old or not trusted",
            limit=f"{policy.quote_age_max.total_seconds():g} s",
            observed=seen.quote.at.isoformat() if seen.quote.at else None,
        )
    if not seen.is_live():
        kind = seen.quote.data_type.name.lower()
        return reason(Code.UNDERLYING_NOT_LIVE, "the underlying's quote is not live", observed=kind)
    if market.chain is None:
        return fault or reason(Code.CHAIN_UNAVAILABLE, "the option chain is missing")
    if values.currency != market.chain.currency:
        return reason(
            Code.CURRENCY_DIFFERS,
            "the account's currency is not the underlying's",
            limit=market.chain.currency,
            observed=values.currency,
        )
    return None


def _wanted_contracts(
    put: PutPolicy, snapshot: Snapshot, market: SymbolMarket, policy: WheelPolicy
) -> tuple[int, tuple[Reason, ...]]:
    assert market.underlying is not None
    assert market.chain is not None
    net_liquidation = snapshot.portfolio.values.net_liquidation
    price = market.underlying.quote.market_price()
    middle = market.underlying.quote.mid_price()
    assert net_liquidation is not None
    assert price is not None
    assert middle is not None
    notional = target_notional_usd(net_liquidation, policy.margin_usage)
    target = target_shares(notional, put.weight, price)
    cover = coverage_of(
        snapshot.portfolio, snapshot.pending, put.symbol, net_long_puts=policy.net_long_puts
    )
    missing = Decimal(target - cover.held_shares) - cover.short_put_shares
    multiplier = market.chain.multiplier
    # Floor toward minus infinity, as one share over the target is not a contract to write.
    net = int((missing / multiplier).to_integral_value(rounding="ROUND_FLOOR"))
    cap = max_new_contracts(notional, policy.maximum_new_ratio, middle, multiplier)
    facts = (
        reason(
            Code.TARGET,
            f"target {target} shares; {cover.held_shares} held or being bought, "
            f"{cover.short_put_shares} from short puts",
            limit=target,
            observed=cover.held_shares + cover.short_put_shares,
        ),
        reason(
            Code.QUANTITY,
            f"{max(net, 0)} contracts of {multiplier} shares wanted, at most {cap} in one run "
            f"and {policy.max_order_contracts} in one order",
            limit=min(cap, policy.max_order_contracts),
            observed=net,
        ),
    )
    return min(net, cap, policy.max_order_contracts), facts


def _day_move(put: PutPolicy, market: SymbolMarket, policy: WheelPolicy) -> Reason | NoNeed:
    assert market.underlying is not None
    quote = market.underlying.quote
    price, close = quote.market_price(), quote.close
    assert price is not None
    threshold = put.threshold
    compares = not (put.on_green and put.on_red) or bool(threshold.sigma or threshold.ratio)
    if close is None or close <= 0:
        if compares:
            missing = reason(Code.CLOSE_MISSING, "the previous close is missing", observed=close)
            return NoNeed(outcome=Outcome.BLOCKED, reasons=(missing,))
        return reason(Code.DAY_MOVE, "no rule compares with the previous close", limit=0)
    if price > close and not put.on_green:
        green = reason(Code.DAY_IS_GREEN, "green days are left out", limit=close, observed=price)
        return NoNeed(outcome=Outcome.NOTHING, reasons=(green,))
    if price < close and not put.on_red:
        red = reason(Code.DAY_IS_RED, "red days are left out", limit=close, observed=price)
        return NoNeed(outcome=Outcome.NOTHING, reasons=(red,))
    if threshold.sigma is None:
        least = close * (threshold.ratio or Decimal(0))
    else:
        deviation = daily_stddev(market.closes[-policy.stddev_days :])
        if deviation is None:
            short = reason(
                Code.HISTORY_MISSING,
                "too few daily closes for a standard deviation",
                limit=policy.stddev_days,
                observed=len(market.closes),
            )
            return NoNeed(outcome=Outcome.BLOCKED, reasons=(short,))
        least = sigma_move(close, deviation, threshold.sigma)
    move = abs(price - close)
    if move < least:
        small = reason(
            Code.MOVE_BELOW_THRESHOLD,
            "the day's move is below the write threshold",
            limit=least,
            observed=move,
        )
        return NoNeed(outcome=Outcome.NOTHING, reasons=(small,))
    return reason(Code.DAY_MOVE, "the day's move is large enough", limit=least, observed=move)


def _within_bounds(
    put: PutPolicy,
    market: SymbolMarket,
    policy: WheelPolicy,
    now: datetime,
    contracts: int,
    facts: tuple[Reason, ...],
) -> PutNeed | NoNeed:
    assert market.underlying is not None
    assert market.chain is not None
    chain, today = market.chain, exchange_today(now)
    price = market.underlying.quote.mid_price()
    assert price is not None
    expiries = sorted(
        expiry
        for expiry in set(chain.expirations)
        if put.dte_min <= days_to_expiry(expiry, today)
        and (put.dte_max is None or days_to_expiry(expiry, today) <= put.dte_max)
    )
    if not expiries:
        most = "any" if put.dte_max is None else put.dte_max
        none = reason(
            Code.NO_EXPIRY,
            "no expiry lies between dte and max_dte",
            limit=f"{put.dte_min}..{most}",
            observed=len(chain.expirations),
        )
        return NoNeed(outcome=Outcome.BLOCKED, reasons=(none, *facts))
    highest = price * STRIKE_OVER_PRICE_RATIO if put.strike_limit is None else put.strike_limit
    strikes = sorted(strike for strike in set(chain.strikes) if 0 < strike <= highest)
    if not strikes:
        none = reason(
            Code.NO_STRIKE,
            "no strike is low enough",
            limit=highest,
            observed=min(chain.strikes, default=None),
        )
        return NoNeed(outcome=Outcome.BLOCKED, reasons=(none, *facts))
    return PutNeed(
        policy=put,
        chain=chain,
        contracts=contracts,
        price=price,
        expiries=tuple(expiries[: policy.expirations]),
        strikes=tuple(strikes),
        today=today,
        closes=market.closes,
        facts=facts,
    )
