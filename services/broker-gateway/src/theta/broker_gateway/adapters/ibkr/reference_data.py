"""Contracts, chains and daily closes, kept for the market day so that warm searches ask little."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

from theta.broker_gateway.adapters.ibkr import translate
from theta.broker_gateway.adapters.ibkr.library import (
    BarData,
    ContractDetails,
    IbContract,
    OptionChain,
)
from theta.broker_gateway.adapters.ibkr.link import Link, RequestFailedError
from theta.broker_gateway.adapters.ibkr.pacing import HistoryPacer
from theta.common.contracts.market import ChainMessage, ContractMessage
from theta.common.domain.instruments import Contract, Right, SecType, stock
from theta.common.errors import UnavailableError

DETAILS_SECONDS = 10.0
HISTORY_SECONDS = 30.0
HISTORY_PATIENCE_SECONDS = 16.0
"""How long a request may wait for the history rules: an identical one is allowed after 15 s."""
_GROUP = 3
"""From so many contracts of one expiry and right on, one message asks for the whole expiry."""
_NO_DEFINITION = 200

Key = tuple[object, ...]


class ReferenceData:
    """Asks for definitions, and remembers them until the market day changes."""

    def __init__(
        self, link: Callable[[], Link], market_day: Callable[[], date], history: HistoryPacer
    ) -> None:
        self._link = link
        self._market_day = market_day
        self._history = history
        self._day: date | None = None
        self._contracts: dict[Key, Contract | None] = {}
        self._chains: dict[str, ChainMessage | None] = {}
        self._closes: dict[Key, list[tuple[datetime, Decimal]]] = {}
        self._locks: dict[Key, asyncio.Lock] = {}

    async def resolve(
        self, contracts: Sequence[Contract], timeout_seconds: float = DETAILS_SECONDS
    ) -> dict[Contract, Contract | None]:
        """Return each contract with its con_id; `None` for one that has no definition.

        Raises UnavailableError when TWS did not answer.
        """
        self._forget_yesterday()
        found: dict[Contract, Contract | None] = {}
        missing: list[Contract] = []
        for contract in contracts:
            if contract.con_id is not None:
                found[contract] = contract
            elif contract.economic_key in self._contracts:
                found[contract] = self._kept(contract)
            else:
                missing.append(contract)
        sizes = Counter(_group_key(contract) for contract in missing)
        groups = {key for key, size in sizes.items() if key is not None and size >= _GROUP}
        work = [self._learn_group(key, timeout_seconds) for key in groups]
        work += [
            self._learn_one(contract, timeout_seconds)
            for contract in missing
            if _group_key(contract) not in groups
        ]
        await asyncio.gather(*work)
        for contract in missing:
            self._contracts.setdefault(contract.economic_key, None)
            found[contract] = self._kept(contract)
        return found

    async def chain(self, symbol: str) -> ChainMessage | None:
        """Return the SMART chain whose trading class is the symbol; `None` when there is none."""
        self._forget_yesterday()
        async with self._lock("chain", symbol):
            if symbol not in self._chains:
                self._chains[symbol] = await self._ask_chain(symbol)
            return self._chains[symbol]

    async def daily_closes(self, symbol: str, days: int) -> list[tuple[datetime, Decimal]]:
        """Return up to `days` closes of regular hours, oldest first, at midnight UTC of their day.

        The last may be of a session still open. Raises UnavailableError.
        """
        self._forget_yesterday()
        key = ("closes", symbol, days)
        async with self._lock(*key):
            wait = self._history.wait_seconds(key)
            if wait > 0 and key in self._closes:
                return self._closes[key]
            if wait > HISTORY_PATIENCE_SECONDS:
                message = f"the broker's history limit frees the next request in {wait:.0f} s"
                raise UnavailableError(message)
            if wait > 0:
                await asyncio.sleep(wait)
            self._closes[key] = await self._ask_closes(key, symbol, days)
            return self._closes[key]

    # -- private ---------------------------------------------------------------------------------

    def _lock(self, *key: object) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    def _forget_yesterday(self) -> None:
        today = self._market_day()
        if today != self._day:
            self._day = today
            self._contracts.clear()
            self._chains.clear()
            self._closes.clear()

    def _kept(self, contract: Contract) -> Contract | None:
        known = self._contracts[contract.economic_key]
        if known is None:
            return None
        return replace(
            contract,
            con_id=known.con_id,
            trading_class=known.trading_class,
            primary_exchange=known.primary_exchange or contract.primary_exchange,
        )

    async def _details(
        self, asked: IbContract, timeout_seconds: float = DETAILS_SECONDS
    ) -> list[ContractDetails]:
        """Return the definitions, empty when there is none."""
        link = self._link()
        try:
            answer: list[ContractDetails] = await link.ask(
                lambda request_id: link.ib.client.reqContractDetails(request_id, asked),
                timeout_seconds=timeout_seconds,
            )
        except RequestFailedError as error:
            if error.code == _NO_DEFINITION:
                return []
            raise
        return answer

    def _learn(self, details: Sequence[ContractDetails]) -> None:
        for row in details:
            try:
                assert row.contract is not None
                contract = translate.contract_to_domain(row.contract)
            except translate.UntranslatableError:
                continue
            known = self._contracts.get(contract.economic_key)
            standard = contract.trading_class in ("", contract.symbol)
            if known is None or standard:
                self._contracts[contract.economic_key] = contract

    async def _learn_one(self, contract: Contract, timeout_seconds: float) -> None:
        async with self._lock("contract", contract.economic_key):
            if contract.economic_key in self._contracts:
                return
            asked = translate.contract_to_broker(contract)
            self._learn(await self._details(asked, timeout_seconds))

    async def _learn_group(self, key: Key | None, timeout_seconds: float) -> None:
        assert key is not None
        async with self._lock("group", *key):
            symbol, currency, exchange, expiry, right = key
            asked = IbContract(
                secType="OPT",
                symbol=str(symbol),
                currency=str(currency),
                exchange=str(exchange),
                lastTradeDateOrContractMonth=str(expiry),
                right=str(right),
            )
            self._learn(await self._details(asked, timeout_seconds))

    async def _ask_chain(self, symbol: str) -> ChainMessage | None:
        underlying = (await self.resolve([stock(symbol)]))[stock(symbol)]
        if underlying is None:
            return None
        link = self._link()
        chains: list[OptionChain] = await link.ask(
            lambda request_id: link.ib.client.reqSecDefOptParams(
                request_id, symbol, "", "STK", underlying.con_id
            ),
            timeout_seconds=HISTORY_SECONDS,
        )
        for chain in chains:
            if chain.exchange == "SMART" and chain.tradingClass == symbol:
                return await self._chain_message(underlying, chain)
        return None

    async def _chain_message(self, underlying: Contract, chain: OptionChain) -> ChainMessage | None:
        expiries = [translate.expiry_date(text) for text in chain.expirations]
        expirations = tuple(sorted({day for day in expiries if day is not None}))
        strikes = translate.decimals(chain.strikes)
        today = self._market_day()
        ahead = [day for day in expirations if day > today] or list(expirations)
        if not ahead or not strikes:
            return None
        asked = IbContract(
            secType="OPT",
            symbol=underlying.symbol,
            currency=underlying.currency,
            exchange="SMART",
            lastTradeDateOrContractMonth=ahead[0].strftime("%Y%m%d"),
            right=Right.PUT.value,
            tradingClass=chain.tradingClass,
        )
        details = await self._details(asked)
        self._learn(details)
        ticks = translate.decimals(row.minTick for row in details)
        return ChainMessage(
            underlying=ContractMessage.from_domain(underlying),
            exchange=chain.exchange,
            trading_class=chain.tradingClass,
            multiplier=int(chain.multiplier),
            expirations=expirations,
            strikes=strikes,
            # The coarsest: a price on it is on every finer tick too.
            min_tick=ticks[-1] if ticks else Decimal("0.05"),
        )

    async def _ask_closes(self, key: Key, symbol: str, days: int) -> list[tuple[datetime, Decimal]]:
        underlying = (await self.resolve([stock(symbol)]))[stock(symbol)]
        if underlying is None:
            return []
        link = self._link()
        asked = translate.contract_to_broker(underlying)
        # Beyond a year the broker counts in years only.
        duration = f"{days} D" if days <= 365 else f"{-(-days // 250)} Y"

        def send(request_id: int) -> None:
            self._history.record(key)
            link.ib.client.reqHistoricalData(
                request_id,
                asked,
                "",
                duration,
                "1 day",
                "TRADES",
                1,
                1,
                False,  # noqa: FBT003 - the library's signature
                [],
            )

        bars: list[BarData] = await link.ask(send, timeout_seconds=HISTORY_SECONDS)
        closes = [(_bar_at(bar), translate.positive(bar.close)) for bar in bars]
        return [(at, close) for at, close in closes if close is not None][-days:]


def _group_key(contract: Contract) -> Key | None:
    """Return what one message can ask for with all its strikes; `None` for a stock."""
    if contract.sec_type is not SecType.OPTION:
        return None
    assert contract.expiry is not None
    assert contract.right is not None
    return (
        contract.symbol,
        contract.currency,
        contract.exchange,
        contract.expiry.strftime("%Y%m%d"),
        contract.right.value,
    )


def _bar_at(bar: BarData) -> datetime:
    day = bar.date.date() if isinstance(bar.date, datetime) else bar.date
    assert isinstance(day, date)
    return datetime.combine(day, time(), UTC)
