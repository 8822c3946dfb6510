"""What positions require: Regulation T rules for stock and listed options, by underlying.

The formulas are those of FINRA rule 4210 and of IBKR's published Reg T tables ("Margin
requirements: US options", "US stocks"). Pure functions of values; amounts in USD.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from theta.simulator.market.contracts import Contract

_ZERO = Decimal(0)
_STOCK_INITIAL = Decimal("0.50")
_STOCK_MAINTENANCE = {True: Decimal("0.25"), False: Decimal("0.30")}
_NAKED_STOCK = Decimal("0.20")
_NAKED_INDEX = Decimal("0.15")
_NAKED_FLOOR = Decimal("0.10")


@dataclass(frozen=True, slots=True)
class Holding:
    """Signed units of a contract, its value and its underlying's price per share."""

    contract: Contract
    quantity: Decimal
    mark: Decimal
    spot: Decimal

    @property
    def worth(self) -> Decimal:
        return self.quantity * self.mark * self.contract.multiplier


@dataclass(frozen=True, slots=True)
class Figures:
    """Values and requirements of the positions in one underlying, or of all."""

    stock: Decimal = _ZERO
    options: Decimal = _ZERO
    gross: Decimal = _ZERO
    initial: Decimal = _ZERO
    maintenance: Decimal = _ZERO

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.stock + other.stock,
            self.options + other.options,
            self.gross + other.gross,
            self.initial + other.initial,
            self.maintenance + other.maintenance,
        )


@dataclass(slots=True)
class _Short:
    """Short contracts that nothing covers yet: what one needs, and its premium."""

    contract: Contract
    units: Decimal
    need: Decimal
    premium: Decimal


@dataclass(slots=True)
class _Pool:
    """What is there to cover shorts: shares long and short, and long options with their units."""

    long_shares: Decimal = _ZERO
    short_shares: Decimal = _ZERO
    longs: list[tuple[Contract, Decimal]] = field(default_factory=list)


def figures(holdings: Iterable[Holding], *, cash_account: bool) -> Figures:
    """Values and requirements of the holdings in one underlying.

    In a margin account shares cover short options, a long option covers a short one of its right
    that does not outlive it (the difference of strikes stays required where the long one is
    worse), and of an uncovered put and call only the greater requirement counts, with the other's
    premium. Long options are paid in full and require nothing. In a cash account shares are paid
    in full, a short put requires its strike and a short call its shares' price unless covered.
    """
    held = [each for each in holdings if each.quantity]
    stock = sum((each.worth for each in held if not each.contract.is_option), _ZERO)
    options = sum((each.worth for each in held if each.contract.is_option), _ZERO)
    gross = sum((abs(each.worth) for each in held), _ZERO)
    if cash_account:
        need = _cash_secured(held)
        return Figures(stock, options, gross, abs(stock) + need, abs(stock) + need)
    initial = abs(stock) * _STOCK_INITIAL
    maintenance = abs(stock) * _STOCK_MAINTENANCE[stock > 0]
    need, covered = _options(held)
    # A covered option's own value is required where it exceeds what its shares require.
    return Figures(
        stock, options, gross, max(initial, covered) + need, max(maintenance, covered) + need
    )


def _cash_secured(held: list[Holding]) -> Decimal:
    """What short options lock up where nothing may be borrowed."""
    shares = sum((each.quantity for each in held if not each.contract.is_option), _ZERO)
    need = _ZERO
    for each in held:
        contract = each.contract
        if not contract.is_option or each.quantity >= 0:
            continue
        units = -each.quantity
        if contract.is_call:
            covered = min(units, max(_ZERO, shares) // contract.shares)
            shares -= covered * contract.shares
            need += (units - covered) * each.spot * contract.shares
        else:
            need += units * _decimal(contract.strike) * contract.multiplier
    return need


def _options(held: list[Holding]) -> tuple[Decimal, Decimal]:
    """What uncovered shorts and spreads require, and the value of shorts that shares cover."""
    pool = _Pool()
    shorts: list[_Short] = []
    for each in held:
        if not each.contract.is_option:
            if each.quantity > 0:
                pool.long_shares += each.quantity
            else:
                pool.short_shares -= each.quantity
        elif each.quantity > 0:
            pool.longs.append((each.contract, each.quantity))
        else:
            premium = each.mark * each.contract.multiplier
            need = naked(each.contract, each.spot) + premium
            shorts.append(_Short(each.contract, -each.quantity, need, premium))
    shorts.sort(key=lambda short: (-short.need, short.contract.con_id))
    covered = _cover_with_shares(shorts, pool)
    puts: list[_Short] = []
    calls: list[_Short] = []
    for short in shorts:
        side = calls if short.contract.is_call else puts
        side += _cover_with_longs(short, pool)
        if short.units:
            side.append(short)
    return _greater_side(puts, calls), covered


def naked(contract: Contract, spot: Decimal) -> Decimal:
    """Requirement of one uncovered option above its market value.

    20 % of the underlying (15 % for a broad index) less what it is out of the money, at least
    10 % of the underlying for a call, of the strike for a put.
    """
    strike = _decimal(contract.strike)
    out = max(_ZERO, strike - spot if contract.is_call else spot - strike)
    rate = _NAKED_INDEX if contract.cash_settled else _NAKED_STOCK
    floor = (spot if contract.is_call else strike) * _NAKED_FLOOR
    return max(spot * rate - out, floor) * contract.multiplier


def _cover_with_shares(shorts: list[_Short], pool: _Pool) -> Decimal:
    """Let shares cover calls and short shares cover puts; returns the covered options' value."""
    value = _ZERO
    for short in shorts:
        if short.contract.cash_settled:
            continue
        there = pool.long_shares if short.contract.is_call else pool.short_shares
        units = min(short.units, there // short.contract.shares)
        if not units:
            continue
        short.units -= units
        value += units * short.premium
        if short.contract.is_call:
            pool.long_shares -= units * short.contract.shares
        else:
            pool.short_shares -= units * short.contract.shares
    return value


def _cover_with_longs(short: _Short, pool: _Pool) -> list[_Short]:
    """Pair a short option with the long ones that leave the least risk; returns the spreads."""
    found: list[_Short] = []
    choices = sorted(
        (
            (_width(short.contract, long), long.con_id, index)
            for index, (long, units) in enumerate(pool.longs)
            if units and _covers(short.contract, long)
        )
    )
    for width, _, index in choices:
        long, there = pool.longs[index]
        units = min(short.units, there)
        if not units or width >= short.need:
            break
        pool.longs[index] = (long, there - units)
        short.units -= units
        found.append(_Short(short.contract, units, width, _ZERO))
    return found


def _covers(short: Contract, long: Contract) -> bool:
    return (
        long.right == short.right
        and long.expiry >= short.expiry
        and (long.multiplier, long.shares) == (short.multiplier, short.shares)
    )


def _width(short: Contract, long: Contract) -> Decimal:
    """What one spread can lose at expiry, USD; 0 where the long option is the better one."""
    difference = _decimal(long.strike) - _decimal(short.strike)
    worse = difference if short.is_call else -difference
    return max(_ZERO, worse) * short.multiplier


def _greater_side(puts: list[_Short], calls: list[_Short]) -> Decimal:
    """Of a put and a call only one can lose: the greater requirement and the other's premium."""
    puts.sort(key=lambda short: (-short.need, short.contract.con_id))
    calls.sort(key=lambda short: (-short.need, short.contract.con_id))
    total = _ZERO
    first, second = 0, 0
    while first < len(puts) and second < len(calls):
        put, call = puts[first], calls[second]
        units = min(put.units, call.units)
        greater, lesser = (put, call) if put.need >= call.need else (call, put)
        total += units * (greater.need + lesser.premium)
        put.units -= units
        call.units -= units
        first += not put.units
        second += not call.units
    rest = (*puts[first:], *calls[second:])
    return total + sum((short.units * short.need for short in rest), _ZERO)


def _decimal(strike: float) -> Decimal:
    return Decimal(str(strike))
