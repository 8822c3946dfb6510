"""The jobs of the queue `risk`."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from theta.common.errors import RejectedError
from theta.common.redis.worker import Handler
from theta.risk.use_cases.review_intent import ReviewIntent

QUEUE = "risk"
REVIEW_JOB = "risk.review"


def handlers(review: ReviewIntent) -> dict[str, Handler]:
    """Return the handlers by job name."""
    return {REVIEW_JOB: _with_id(review)}


def _with_id(review: Callable[[UUID], object]) -> Handler:
    def handle(subject_id: str) -> None:
        try:
            intent_id = UUID(subject_id)
        except ValueError:
            message = f"{REVIEW_JOB} needs an intent id, not {subject_id[:64]!r}."
            raise RejectedError("bad_job", message) from None
        review(intent_id)

    return handle
