"""Quotes: lines opened, watched until the needed ticks are there, and closed again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from theta.broker_gateway.adapters.ibkr import translate
from theta.broker_gateway.adapters.ibkr.link import Link
from theta.broker_gateway.adapters.ibkr.pacing import Lane, LinePool
from theta.broker_gateway.adapters.ibkr.reference_data import ReferenceData
from theta.broker_gateway.adapters.ibkr.streams import QuoteStream, StreamTable
from theta.common.domain.instruments import Contract, SecType
from theta.common.domain.quotes import Quote
from theta.common.errors import UnavailableError

OPTION_TICKS = "101"
"""Generic tick 101: open interest."""
CANCEL_SECONDS = 10.0


QUIET_SECONDS = 1.0
"""Without a refusal for so long, a ticking price is our own again."""


class FarmWatch:
    """Which market-data farms are down, and since when their ticks count as fresh."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._down: set[str] = set()
        self._blocked = False
        self._fresh_since = 0.0

    def down(self, farm: str) -> None:
        self._down.add(farm)

    def up(self, farm: str) -> None:
        """A farm is back: quotes count again from the next price tick on."""
        if farm in self._down:
            self._fresh_since = self._now()
        self._down.discard(farm)

    def block(self) -> None:
        """Someone else is logged in: nothing counts until a price ticks after he has gone.

        Nobody tells when he goes; a price that ticks a second after the last refusal does.
        """
        self._blocked = True
        self._fresh_since = self._now() + QUIET_SECONDS

    def reset(self) -> None:
        """A new connection or a restored link: what is down now will be told again."""
        self._down.clear()
        self._blocked = False
        self._fresh_since = self._now()

    def trusts(self, price_ticked_at: float | None) -> bool:
        if self._down:
            return False
        if price_ticked_at is None:
            return not self._blocked
        fresh = price_ticked_at >= self._fresh_since
        self._blocked = self._blocked and not fresh
        return fresh


class MarketData:
    """Answers `quotes` on whichever connection is up."""

    def __init__(
        self,
        *,
        link: Callable[[], Link],
        reference: ReferenceData,
        lines: LinePool,
        farms: FarmWatch,
        now: Callable[[], float],
        market_at: Callable[[], datetime | None],
    ) -> None:
        self._link = link
        self._reference = reference
        self._lines = lines
        self._farms = farms
        self._now = now
        self._market_at = market_at
        self._closing: set[asyncio.Task[None]] = set()

    async def quotes(
        self, contracts: Sequence[Contract], deadline_seconds: float
    ) -> tuple[list[Quote], list[Contract]]:
        """Return a quote per contract that exists, in request order, and those that do not.

        What has not come by the deadline is `None` in its quote. Raises UnavailableError when the
        connection is not up, changes meanwhile, or definitions cannot be had.
        """
        until = self._now() + deadline_seconds
        link = self._link()
        wanted = list(dict.fromkeys(contracts))
        resolved = await self._reference.resolve(wanted, deadline_seconds)
        known = [contract for contract in wanted if resolved[contract] is not None]
        streams = {
            contract: QuoteStream(resolved[contract] or contract, self._market_at, self._now)
            for contract in known
        }
        share = self._share(len(known), deadline_seconds)
        await asyncio.gather(*(self._watch(link, s, until, share) for s in streams.values()))
        if not link.is_up:
            raise UnavailableError("the connection to TWS ended while quotes were asked")
        quotes: list[Quote] = []
        unknown = [contract for contract in wanted if resolved[contract] is None]
        for contract in contracts:
            stream = streams.get(contract)
            if stream is None:
                continue
            if stream.unknown_contract:
                unknown.append(contract)
                continue
            quotes.append(stream.quote(trusted=self._farms.trusts(stream.price_ticked_at)))
        return quotes, list(dict.fromkeys(unknown))

    def _share(self, count: int, deadline_seconds: float) -> float:
        """Return how long one contract may hold its line so that all get their turn."""
        rounds = -(-count // self._lines.lines)
        return deadline_seconds / max(rounds, 1)

    async def _watch(self, link: Link, stream: QuoteStream, until: float, share: float) -> None:
        if not await self._lines.acquire(until - self._now()):
            return
        request_id: int | None = None
        try:
            await link.may_send(Lane.DATA, max(until - self._now(), 0.0))
            request_id = self._open(link, stream)
            patience = min(until - self._now(), share)
            waiting = asyncio.ensure_future(stream.done.wait())
            ends: set[asyncio.Future[Any]] = {waiting, link.lost}
            await asyncio.wait(ends, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        except UnavailableError:
            # Out of time, or the connection is gone: `quotes` tells the two apart.
            return
        finally:
            if request_id is None:
                self._lines.release()
            else:
                task = asyncio.ensure_future(self._shut(link, request_id))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    def _open(self, link: Link, stream: QuoteStream) -> int:
        client = link.ib.client
        is_option = stream.contract.sec_type is SecType.OPTION
        request_id = client.getReqId()
        _table(link).streams[request_id] = stream
        client.reqMktData(
            request_id,
            translate.contract_to_broker(stream.contract),
            OPTION_TICKS if is_option else "",
            False,  # noqa: FBT003 - the library's signature
            False,  # noqa: FBT003
            [],
        )
        return request_id

    async def _shut(self, link: Link, request_id: int) -> None:
        """Cancel the line, then give it back: the broker counts it until then."""
        stream = _table(link).streams.get(request_id)
        try:
            if stream is None or not stream.unknown_contract:
                await link.may_send(Lane.DATA, CANCEL_SECONDS)
                link.ib.client.cancelMktData(request_id)
        except (UnavailableError, ConnectionError):
            if link.is_up:
                link.close("a market-data line could not be cancelled")
        finally:
            _table(link).streams.pop(request_id, None)
            self._lines.release()


def _table(link: Link) -> StreamTable:
    table = link.ib.wrapper.ticks
    if not isinstance(table, StreamTable):
        table = StreamTable()
        link.ib.wrapper.ticks = table
    return table
