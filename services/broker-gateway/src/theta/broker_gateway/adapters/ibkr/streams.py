"""The newest ticks of one market-data line, and the table of the lines in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from theta.broker_gateway.adapters.ibkr import translate
from theta.broker_gateway.adapters.ibkr.codes import CodeAction, lookup
from theta.broker_gateway.adapters.ibkr.data_callbacks import TickRouter
from theta.common.domain.instruments import Contract, Right
from theta.common.domain.quotes import MarketDataType, Quote

# Tick types; the second of each pair is its delayed form.
_BID, _ASK, _LAST, _CLOSE = (1, 66), (2, 67), (4, 68), (9, 75)
_BID_SIZE, _ASK_SIZE = (0, 69), (3, 70)
_OPEN_INTEREST = {Right.CALL: 27, Right.PUT: 28}
_MODEL = (13, 83)


class QuoteStream:
    """Takes the ticks of one contract. `None` is absent; a tick that says "none" has arrived."""

    def __init__(
        self,
        contract: Contract,
        market_at: Callable[[], datetime | None],
        now: Callable[[], float],
    ) -> None:
        self.contract = contract
        self.done = asyncio.Event()
        """Every tick that is needed came, or none will."""
        self.unknown_contract = False
        self.refused_code: int | None = None
        self.price_ticked_at: float | None = None
        """Process time of the newest price tick."""
        self._market_at = market_at
        self._now = now
        self._at: datetime | None = None
        self._seen: set[str] = set()
        self._values: dict[str, Decimal | None] = {}
        self._data_type = MarketDataType.LIVE
        self._needed = {"bid", "ask", "last", "close"}
        if contract.right is not None:
            self._needed = {"bid", "ask", "model", "open_interest"}

    def price(self, tick: int, price: float, size: float) -> None:
        """Take a price tick; -1 and 0 say that there is none."""
        for ticks, name in ((_BID, "bid"), (_ASK, "ask"), (_LAST, "last"), (_CLOSE, "close")):
            if tick not in ticks:
                continue
            self._take(name, translate.positive(price))
            if name in ("bid", "ask") and size:
                self._take(f"{name}_size", translate.positive(size))
            if name != "close" and translate.positive(price) is not None:
                self._at = self._market_at()
                self.price_ticked_at = self._now()

    def size(self, tick: int, size: float) -> None:
        if tick in _BID_SIZE:
            self._take("bid_size", translate.not_negative(size))
        elif tick in _ASK_SIZE:
            self._take("ask_size", translate.not_negative(size))
        elif self.contract.right is not None and tick == _OPEN_INTEREST[self.contract.right]:
            self._take("open_interest", translate.not_negative(size))

    def computation(self, tick: int, figures: tuple[float, ...]) -> None:
        """Take the model's figures; those on bid, ask and last are not ours."""
        if tick not in _MODEL:
            return
        volatility, delta, price, gamma, vega, theta, underlying = figures
        self._take("implied_volatility", translate.positive(volatility))
        self._take("delta", translate.greek(delta))
        self._take("gamma", translate.greek(gamma))
        self._take("vega", translate.greek(vega))
        self._take("theta", translate.greek(theta))
        self._take("underlying_price", translate.positive(underlying))
        # -1 is "not computed"; a worthless option has a price of 0.
        self._take("model_price", translate.not_negative(price))
        if translate.greek(delta) is not None:
            # TWS first sends a model without figures: that is not yet the answer.
            self._seen.add("model")
        self._check()

    def data_type(self, kind: int) -> None:
        """Take the data type; one that we do not know is no live one."""
        known = {member.value for member in MarketDataType}
        self._data_type = MarketDataType(kind) if kind in known else MarketDataType.DELAYED_FROZEN

    def error(self, code: int) -> None:
        """Take an error on this line; those after which no tick comes end the waiting."""
        action = lookup(code, on_order=False).action
        if action is CodeAction.UNKNOWN_CONTRACT:
            self.unknown_contract = True
        elif code in (10167, 10182) or action is CodeAction.NONE:
            return
        else:
            self.refused_code = code
        self.done.set()

    def quote(self, *, trusted: bool) -> Quote:
        interest = self._values.get("open_interest")
        fields = {k: v for k, v in self._values.items() if k != "open_interest"}
        return Quote(
            contract=self.contract,
            at=self._at,
            open_interest=int(interest) if interest is not None else None,
            data_type=self._data_type,
            trusted=trusted and self.refused_code is None,
            **fields,
        )

    def _take(self, name: str, value: Decimal | None) -> None:
        self._values[name] = value
        self._seen.add(name)
        self._check()

    def _check(self) -> None:
        sized = all(
            self._values.get(side) is None or f"{side}_size" in self._seen
            for side in ("bid", "ask")
        )
        if sized and self._needed <= self._seen:
            self.done.set()


class StreamTable(TickRouter):
    """Streams by request id. Ticks of a line that was given up fall through, silently."""

    def __init__(self) -> None:
        self.streams: dict[int, QuoteStream] = {}

    def on_price(self, request_id: int, tick: int, price: float, size: float) -> None:
        if request_id in self.streams:
            self.streams[request_id].price(tick, price, size)

    def on_size(self, request_id: int, tick: int, size: float) -> None:
        if request_id in self.streams:
            self.streams[request_id].size(tick, size)

    def on_computation(self, request_id: int, tick: int, figures: tuple[float, ...]) -> None:
        if request_id in self.streams:
            self.streams[request_id].computation(tick, figures)

    def on_data_type(self, request_id: int, kind: int) -> None:
        if request_id in self.streams:
            self.streams[request_id].data_type(kind)

    def on_error(self, request_id: int, code: int, text: str) -> None:
        if request_id in self.streams:
            self.streams[request_id].error(code)
