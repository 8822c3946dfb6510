"""A stand-in for Slack's incoming webhooks on this machine: it keeps what was posted.

It can be told to answer like Slack on a bad day: an error status, `Retry-After`, no answer at all,
or a cut connection.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal

Trouble = Literal["none", "hang", "cut"]
BODY_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkAnswer:
    """How one post is answered. `hang` never answers (until the sink stops), `cut` hangs up."""

    status: int = 200
    retry_after_seconds: int | None = None
    trouble: Trouble = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkPost:
    """One post as it arrived, and how it was answered."""

    path: str
    body: dict[str, Any]
    answer: SinkAnswer

    @property
    def title(self) -> str:
        """The header block's text; empty when there is none."""
        for block in self.body.get("blocks", []):
            if block.get("type") == "header":
                return str(block["text"]["text"])
        return ""


class SlackSink:
    """Serves from a thread between `start` and `stop`, or as a context manager.

    Port 0 takes a free one. Every post is answered 200 unless `answer_next` queued others.
    """

    def __init__(self, port: int = 0, *, path: str = "/services/T0/B0/secret-of-the-sink") -> None:
        """Raises OSError when the port is busy."""
        self._path = path
        self._lock = threading.Lock()
        self._posts: list[SinkPost] = []
        self._answers: deque[SinkAnswer] = deque()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="slack-sink"
        )

    @property
    def url(self) -> str:
        """What to set THETA_SLACK_WEBHOOK_URL to."""
        return f"http://127.0.0.1:{self._server.server_port}{self._path}"

    @property
    def posts(self) -> list[SinkPost]:
        """All posts so far, oldest first."""
        with self._lock:
            return list(self._posts)

    @property
    def delivered(self) -> list[SinkPost]:
        """The posts that were answered 200."""
        return [p for p in self.posts if p.answer.trouble == "none" and p.answer.status == 200]

    def answer_next(self, *answers: SinkAnswer) -> None:
        """Answer the next posts like this, one each; afterwards 200 again."""
        with self._lock:
            self._answers.extend(answers)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Release hanging posts, close the port and end the thread."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> SlackSink:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _take(self, path: str, body: dict[str, Any]) -> SinkAnswer:
        with self._lock:
            answer = self._answers.popleft() if self._answers else SinkAnswer()
            self._posts.append(SinkPost(path=path, body=body, answer=answer))
            return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(min(length, BODY_BYTES_MAX))
                if self.path != sink._path:
                    self._say(404, b"no_team")
                    return
                try:
                    body = json.loads(raw)
                except ValueError:
                    self._say(400, b"invalid_payload")
                    return
                answer = sink._take(self.path, body)
                if answer.trouble == "hang":
                    sink._stopping.wait()
                elif answer.trouble == "cut":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                else:
                    self._say(answer.status, b"ok", answer.retry_after_seconds)

            def _say(self, status: int, text: bytes, retry_after: int | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                if retry_after is not None:
                    self.send_header("Retry-After", str(retry_after))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
                return

        return Handler
