"""The two workers: submissions and cancels, each with a queue and a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import UUID

import redis

from theta.common.errors import RejectedError
from theta.common.redis.worker import Handler, HandlerWorker, run_worker

SUBMIT_JOB = "orders.submit"
CANCEL_JOB = "orders.cancel"


def handler_of(use_case: Callable[[UUID], str]) -> Handler:
    """Return a job handler that passes the subject id on. A bad id fails its job."""

    def handle(subject_id: str) -> None:
        try:
            identity = UUID(subject_id)
        except ValueError as error:
            raise RejectedError("bad_job", f"{subject_id!r} is not an id") from error
        use_case(identity)

    return handle


class Workers:
    """Both workers in threads. They outlive Redis."""

    def __init__(
        self,
        make_connection: Callable[[], redis.Redis],
        *,
        session: str,
        submit: Callable[[UUID], str],
        cancel: Callable[[UUID], str],
    ) -> None:
        self._stop = threading.Event()
        self._connections = [make_connection(), make_connection()]
        self._workers = [
            HandlerWorker(
                self._connections[0],
                queue_name=f"orders.{session}",
                handlers={SUBMIT_JOB: handler_of(submit)},
            ),
            HandlerWorker(
                self._connections[1],
                queue_name=f"cancels.{session}",
                handlers={CANCEL_JOB: handler_of(cancel)},
            ),
        ]
        self._threads = [
            threading.Thread(target=run_worker, args=(worker, self._stop), name=name, daemon=True)
            for worker, name in zip(self._workers, ("orders", "cancels"), strict=True)
        ]

    @property
    def healthy(self) -> bool:
        """Whether both loops turn; Redis down is healthy."""
        return all(worker.healthy for worker in self._workers)

    @property
    def connected(self) -> bool:
        """Whether both reached Redis at their last turn."""
        return all(worker.connected for worker in self._workers)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Finish the job in hand and end, at most `timeout_seconds` for both."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=timeout_seconds / len(self._threads))
        for connection in self._connections:
            connection.close()
