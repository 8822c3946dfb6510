"""Carries out a plan's acts: what an operator, the broker and an accident do to the system."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import redis

from tests.simulation.plans import Act
from theta.common.errors import ThetaError, UnavailableError
from theta.embedded.running import Deployment
from theta.embedded.settling import query

FAULTS = ("flush_redis", "broker", "halt")
"""The acts that count as faults."""


class Acting:
    """Each act at its time. Not thread-safe.

    Calls of the API are made in their order and by a thread, as an operator's: one that hangs on a
    frozen gateway keeps nobody from waking it, and one that fails is repeated until it is answered.
    """

    def __init__(
        self, deployment: Deployment, acts: tuple[Act, ...], *, order_sent: Callable[[], bool]
    ) -> None:
        """`order_sent` tells whether an order was sent, or none will be."""
        self._deployment = deployment
        self._order_sent = order_sent
        self._accidents = deque(act for act in acts if act.kind in ("flush_redis", "broker"))
        self._calls = deque(act for act in acts if act not in self._accidents)
        self._operator = ThreadPoolExecutor(max_workers=1, thread_name_prefix="operator")
        self._call: Future[bool] | None = None
        self._late = 0.0
        self.struck = 0

    def turn(self, now: float) -> bool:
        """Do what is due `now` seconds into the run; return whether everything is done.

        Raises ThetaError for an answer that no operator should get.
        """
        while self._accidents and self._accidents[0].after_seconds <= now:
            act = self._accidents.popleft()
            getattr(self, f"_{act.kind}")(act.body)
            self.struck += 1
        if self._call is not None and self._call.done():
            self._finish(self._call)
        if self._call is None and self._calls and self._is_time(self._calls[0], now):
            self._call = self._operator.submit(getattr(self, f"_{self._calls[0].kind}"))
        return not self._accidents and not self._calls

    def close(self) -> None:
        """Make no further call; one under way ends with the processes."""
        self._operator.shutdown(wait=False, cancel_futures=True)

    def _is_time(self, act: Act, now: float) -> bool:
        if act.after_seconds + self._late > now:
            return False
        if not act.needs_order:
            return True
        if not self._order_sent():
            return False
        self._late = now - act.after_seconds
        return True

    def _finish(self, call: Future[bool]) -> None:
        self._call = None
        try:
            done = call.result()
        except UnavailableError:
            return  # the gateway is down at this moment: as an operator would, try again
        act = self._calls.popleft()
        self.struck += done and act.kind in FAULTS

    # -- calls of the API --------------------------------------------------------------------------

    def _run(self) -> bool:
        answer = self._deployment.api("POST", "/v1/runs", {})
        return _accepted(answer.status, answer.body, {200, 202, 409})

    def _halt(self) -> bool:
        answer = self._deployment.api("POST", "/v1/halt", {"reason": "the campaign halts"})
        return _accepted(answer.status, answer.body, {200})

    def _resume(self) -> bool:
        answer = self._deployment.api("POST", "/v1/resume", {"reason": "the campaign resumes"})
        return _accepted(answer.status, answer.body, {200})

    def _cancel(self) -> bool:
        rows = query(
            self._deployment.servers.reader_url,
            "select id::text from order_intent where state = 'working' limit 1",
        )
        for row in rows:
            answer = self._deployment.api("POST", f"/v1/intents/{row['id']}/cancel", {})
            _accepted(answer.status, answer.body, {200, 202, 409})
        return bool(rows)

    # -- accidents ---------------------------------------------------------------------------------

    def _broker(self, body: Any) -> None:
        self._deployment.control("/fault", body)

    def _flush_redis(self, _body: Any) -> None:
        with redis.Redis.from_url(self._deployment.servers.redis_url) as client:
            client.flushall()


def _accepted(status: int, body: Any, wanted: set[int]) -> bool:
    if status == 503:
        raise UnavailableError(f"answered 503: {body}")
    if status not in wanted:
        raise ThetaError(f"the API answered {status}: {body}")
    return True
