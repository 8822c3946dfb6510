"""The worker: runs `strategy.run` jobs until told to stop."""

from __future__ import annotations

import threading
from uuid import UUID

from theta.common.errors import InvariantError
from theta.common.redis.worker import Handler, HandlerWorker
from theta.strategy.use_cases.run_strategy import RunStrategy

CHECK_SECONDS = 1.0
STOP_SECONDS_MAX = 4.0
"""A run under way is abandoned after this: it is taken up again when its lease ends."""


def run_handler(strategy: RunStrategy) -> Handler:
    """Return the handler of `strategy.run`. A subject that is no run id fails its job."""

    def handle(subject_id: str) -> None:
        strategy.run(UUID(subject_id))

    return handle


def work(worker: HandlerWorker, stop: threading.Event) -> None:
    """Work until `stop` is set; end within 5 s of it.

    Raises InvariantError when the worker ends by itself.
    """
    thread = threading.Thread(target=worker.run, args=(stop,), name="worker", daemon=True)
    thread.start()
    while not stop.wait(CHECK_SECONDS):
        if not thread.is_alive():
            raise InvariantError("the worker ended by itself: see its log.")
    thread.join(STOP_SECONDS_MAX)
