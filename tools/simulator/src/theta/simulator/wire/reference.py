"""Messages about contracts, rules, exchanges and news."""

from collections.abc import Iterable, Sequence

from theta.simulator.market.contracts import Contract
from theta.simulator.wire.messages import Fields


def option_parameters(
    request: int,
    exchange: str,
    under_con_id: int,
    trading_class: str,
    multiplier: int,
    expiries: Sequence[str],
    strikes: Sequence[float],
) -> Fields:
    return [
        75, request, exchange, under_con_id, trading_class, multiplier,
        len(expiries), *expiries, len(strikes), *strikes,
    ]  # fmt: skip


def option_parameters_end(request: int) -> Fields:
    return [76, request]


def market_rule(rule: int, increments: Sequence[tuple[float, float]]) -> Fields:
    flat: Fields = [part for pair in increments for part in pair]
    return [93, rule, len(increments), *flat]


def symbol_samples(
    version: int, request: int, found: Iterable[tuple[Contract, str, tuple[str, ...]]]
) -> Fields:
    """Contracts with their names and the kinds of derivatives on them; names since 176."""
    rows = list(found)
    fields: Fields = [79, request, len(rows)]
    for contract, name, derivatives in rows:
        fields += [
            contract.con_id, contract.symbol, contract.sec_type, contract.primary_exchange,
            contract.currency, len(derivatives), *derivatives,
        ]  # fmt: skip
        if version >= 176:
            fields += [name, ""]
    return fields


def smart_components(request: int, components: Sequence[tuple[int, str, str]]) -> Fields:
    """Bit, exchange and letter of each."""
    flat: Fields = [part for component in components for part in component]
    return [82, request, len(components), *flat]


def depth_exchanges() -> Fields:
    """The list of exchanges with market depth, which is empty here."""
    return [80, 0]


def news_providers() -> Fields:
    """The list of news providers, which is empty here."""
    return [85, 0]


def soft_dollar_tiers(request: int) -> Fields:
    """The list of soft-dollar tiers, which is empty here."""
    return [77, request, 0]


def display_groups(request: int) -> Fields:
    """The display groups, of which a gateway without windows has none."""
    return [67, 1, request, ""]


def bulletin(number: int, kind: int, text: str, exchange: str) -> Fields:
    """A news bulletin; ``kind`` 1 news, 2 exchange unavailable, 3 exchange available again."""
    return [14, 1, number, kind, text, exchange]


def user_info(request: int) -> Fields:
    """The white-branding id, which is empty."""
    return [107, request, ""]
