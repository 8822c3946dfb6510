"""What a scenario starts with: accounts with their positions, and the schedule of events."""

from dataclasses import replace
from decimal import Decimal

from theta.simulator.exchange.account import Account
from theta.simulator.faults.schedule import Schedule, drawn
from theta.simulator.market import calendar
from theta.simulator.market.contracts import Contract
from theta.simulator.market.quotes import Market
from theta.simulator.market.reference import CorporateAction
from theta.simulator.scenarios.accounts import AccountPlan, StartPosition, unknown_position
from theta.simulator.scenarios.events import DEFAULT_CHANCE
from theta.simulator.scenarios.scenario import Scenario


def account(scenario: Scenario, plan: AccountPlan, market: Market, start: float) -> Account:
    """An account of the scenario with what it holds in a market that starts at ``start``.

    Raises ``ScenarioError``.
    """
    opened = Account(
        plan.name, plan.account_type, plan.cash, market, cash_account=plan.cash_account
    )
    for held in plan.positions:
        contract = _contract(scenario, held, market, start)
        cost = held.average_cost
        if cost is None:
            worth = opened.mark(contract, start) * contract.multiplier
            cost = Decimal(str(round(worth, 4)))
        opened.hold(contract, held.quantity, cost)
    return opened


def _contract(scenario: Scenario, held: StartPosition, market: Market, start: float) -> Contract:
    stock = market.book.stock(held.symbol)
    if stock is None:
        raise unknown_position(scenario.name, held)
    if not held.is_option:
        return stock
    listed = [key for key in market.listed(held.symbol, start) if key[2] == held.right]
    if (held.expiry, held.strike, held.right) in listed:
        return market.book.option(held.symbol, held.expiry, held.strike, held.right)
    if not listed or (held.expiry and start == scenario.start):
        raise unknown_position(scenario.name, held)
    days, target = held.expiry_days, held.strike
    if days is None:
        # The dates were moved: what is as far ahead as the one that was meant.
        days = (calendar.expiry_instant(held.expiry) - scenario.start) / 86_400
    if held.strike_percent is not None:
        target = market.spot(held.symbol, start) * held.strike_percent / 100
    wanted = start + days * 86_400
    expiry = min({k[0] for k in listed}, key=lambda e: abs(calendar.expiry_instant(e) - wanted))
    strike = min((k[1] for k in listed if k[0] == expiry), key=lambda s: abs(s - target))
    return market.book.option(held.symbol, expiry, strike, held.right)


def moved_days(scenario: Scenario, start: float) -> int:
    """By how many days a market that starts at ``start`` has been moved."""
    return round((start - scenario.start) / 86_400)


def actions(scenario: Scenario, start: float) -> list[CorporateAction]:
    """The scenario's own dividends and splits in a market that starts at ``start``."""
    moved = moved_days(scenario, start)
    if not moved:
        return list(scenario.actions)
    return [
        replace(action, at=calendar.next_session(action.at + moved * 86_400)[0])
        for action in scenario.actions
    ]


def schedule(scenario: Scenario, start: float, seed: int, fault_seed: int | None) -> Schedule:
    """The scenario's events and its drawn faults in a market that starts at ``start``.

    ``seed`` draws them where the scenario has no seed of its own; ``fault_seed`` goes before both.
    """
    chance = scenario.chance
    if fault_seed is not None:
        chance = replace(chance or DEFAULT_CHANCE, seed=fault_seed)
    elif chance is not None and chance.seed is None:
        chance = replace(chance, seed=seed)
    moved = moved_days(scenario, start)
    events = [plan.event(start, moved) for plan in scenario.events]
    if chance is not None:
        events += drawn(chance, start)
    return Schedule(events)
