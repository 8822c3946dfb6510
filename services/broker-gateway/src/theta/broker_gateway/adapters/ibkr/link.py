"""One connection to TWS, from the first byte to its loss. Used once, then thrown away.

The library's objects keep state across reconnects and leave requests waiting for ever when we drop
the socket ourselves; fresh objects per connection have neither fault.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from theta.broker_gateway.adapters.ibkr.client import SessionIb
from theta.broker_gateway.adapters.ibkr.library import RequestError
from theta.broker_gateway.adapters.ibkr.pacing import Lane, MessageBudget, wait_for_budget
from theta.broker_gateway.adapters.ibkr.recording import Recorder, SessionCallbacks
from theta.common.errors import UnavailableError

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 15.0


class RequestFailedError(UnavailableError):
    """TWS answered a request with an error. `code` is its number."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"TWS refused the request with code {code}: {text}")
        self.code = code


class ConnectRefusedError(UnavailableError):
    """TWS refused the connection; `code` is 326 when the client id is in use, 0 without a code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Link(SessionCallbacks):
    """The socket, its requests and its end. All methods on the session loop."""

    def __init__(
        self,
        *,
        connection_no: int,
        client_id: int,
        recorder: Recorder,
        budget: MessageBudget,
        on_message: Callable[[int, int, str, bool], None],
        on_order_id: Callable[[int, int], None],
    ) -> None:
        self.connection_no = connection_no
        self.client_id = client_id
        self.recorder = recorder
        self.budget = budget
        self.unreadable = 0
        """Messages that could not be decoded; an answer during which it rose is not complete."""
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.fetched = False
        self.account_lock = asyncio.Lock()
        """One account download at a time: TWS knows one subscription."""
        self._refused: asyncio.Future[ConnectRefusedError] = (
            asyncio.get_running_loop().create_future()
        )
        self._up = False
        self._on_message = on_message
        self._on_order_id = on_order_id
        self._solo: dict[str, asyncio.Lock] = {}
        self._owed: dict[str, asyncio.Future[Any]] = {}
        self.ib = SessionIb(recorder, self, budget, self._note_unreadable)
        self.ib.wrapper.clientId = client_id
        # The library waits out its timeout when the peer closes before it accepted us.
        self.ib.client.conn.disconnected += self._on_transport_end

    @property
    def is_up(self) -> bool:
        """TWS accepted us, and the socket has not ended."""
        return self._up and not self.lost.done()

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(self.ib.client.getAccounts()) if self.is_up else ()

    async def connect(self, host: str, port: int) -> None:
        """Open the socket and wait until TWS accepted our client id.

        Raises ConnectRefusedError, or OSError or TimeoutError.
        """
        attempt = asyncio.ensure_future(
            self.ib.client.connectAsync(host, port, self.client_id, CONNECT_SECONDS)
        )
        try:
            await asyncio.wait({attempt, self._refused}, return_when=asyncio.FIRST_COMPLETED)
            if self._refused.done():
                raise self._refused.result()
            attempt.result()
        finally:
            if not attempt.done():
                attempt.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await attempt
        if not self.ib.client.isReady():
            raise ConnectRefusedError(0, "the connection ended as soon as it was made")
        self._up = True

    def close(self, reason: str) -> None:
        """End the connection at once; every waiting request fails. May be called again."""
        if not self.lost.done():
            self.lost.set_result(reason)
        error = ConnectionError(reason)
        for future in list(self.ib.wrapper._futures.values()):
            if not future.done():
                future.set_exception(error)
                future.exception()  # mark as seen: a forgotten request is no event
        transport = self.ib.client.conn.transport
        if transport is not None:
            transport.abort()
        self.ib.client.reset()

    async def ask(
        self,
        send: Callable[[int], None],
        *,
        timeout_seconds: float = REQUEST_SECONDS,
        lane: Lane = Lane.DATA,
    ) -> Any:
        """Send a request under a fresh id and return the library's answer.

        Raises RequestFailedError when TWS answers with an error, UnavailableError otherwise.
        """
        await self.may_send(lane, timeout_seconds)
        request_id = self.ib.client.getReqId()
        future = self.ib.wrapper.startReq(request_id)
        try:
            send(request_id)
            return await self._answer(future, timeout_seconds, f"request {request_id}")
        finally:
            self.ib.wrapper._futures.pop(request_id, None)
            self.ib.wrapper._results.pop(request_id, None)

    async def ask_alone(
        self,
        key: str,
        send: Callable[[], None],
        *,
        timeout_seconds: float = REQUEST_SECONDS,
        lane: Lane = Lane.DATA,
    ) -> Any:
        """Send a request that has no id, never two of a `key` at once; return its answer.

        An End that comes after our patience belongs to its own request: the next one waits for it
        first, and gives the connection up when it stays away. Raises UnavailableError.
        """
        async with self._solo.setdefault(key, asyncio.Lock()):
            owed = self._owed.get(key)
            if owed is not None:
                try:
                    await self._answer(asyncio.shield(owed), timeout_seconds, f"an earlier {key}")
                except UnavailableError:
                    if not owed.done():
                        self.close(f"TWS never ended its answer to {key}")
                    raise
                finally:
                    if owed.done():
                        self._owed.pop(key, None)
            await self.may_send(lane, timeout_seconds)
            future = self.ib.wrapper.startReq(key)
            try:
                send()
                self._owed[key] = future
                return await self._answer(asyncio.shield(future), timeout_seconds, key)
            finally:
                if future.done():
                    self._owed.pop(key, None)

    async def may_send(self, lane: Lane, timeout_seconds: float) -> None:
        """Return when a message of `lane` may be written; the caller writes before awaiting."""
        self._require_up()
        await wait_for_budget(self.budget, lane, timeout_seconds)
        self._require_up()

    # -- what the wrapper tells ------------------------------------------------------------------

    def on_message(self, request_id: int, code: int, text: str, *, on_order: bool) -> None:
        if not self._up and not self._refused.done() and code in (326, 502, 503, 507):
            self._refused.set_result(ConnectRefusedError(code, text))
        self._on_message(request_id, code, text, on_order)

    def on_order_id(self, client_id: int, order_id: int) -> None:
        self._on_order_id(client_id, order_id)

    def on_socket_closed(self) -> None:
        self.close("TWS closed the connection")

    def is_order_id(self, request_id: int) -> bool:
        """An id that no request of ours carries is an order's, of this connection or an old one."""
        return request_id > 0 and request_id not in self.ib.client.request_ids

    # -- private ---------------------------------------------------------------------------------

    def _require_up(self) -> None:
        if not self.is_up:
            raise UnavailableError("no connection to TWS; it is being made again")

    async def _answer(self, future: asyncio.Future[Any], seconds: float, what: str) -> Any:
        before = self.unreadable
        try:
            answer = await asyncio.wait_for(future, seconds)
        except TimeoutError:
            message = f"TWS did not answer {what} within {seconds:g} s"
            raise UnavailableError(message) from None
        except RequestError as error:
            raise RequestFailedError(error.code, error.message) from error
        except ConnectionError as error:
            message = f"the connection to TWS ended before it answered {what}"
            raise UnavailableError(message) from error
        if self.unreadable != before:
            message = f"a message could not be read while TWS answered {what}"
            raise UnavailableError(message)
        return answer

    def _on_transport_end(self, why: str) -> None:
        if not self._up and not self._refused.done():
            text = f"TWS closed the connection before it accepted us {why}".rstrip()
            self._refused.set_result(ConnectRefusedError(0, text))

    def _note_unreadable(self, what: str) -> None:
        self.unreadable += 1
        self._on_message(-1, 0, f"unreadable: {what}", False)  # noqa: FBT003 - the session's callback
