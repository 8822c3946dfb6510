"""The first bytes of a connection: which protocol the client speaks, and in which version."""

import re
from enum import Enum
from typing import Final

from theta.simulator.wire.codes import MIN_CLIENT_VERSION, SERVER_VERSION
from theta.simulator.wire.framing import encode_fields

GREETING: Final = b"API\0"
_VERSIONS: Final = re.compile(rb"v(\d{1,5})(?:\.\.(\d{1,5}))?(?: .{0,1000})?", re.DOTALL)
_TOO_NEW: Final = "The TWS is out of date and must be upgraded."
_TOO_OLD: Final = "The API client is out of date and must be upgraded."

OLD_CLIENT_ANSWER: Final = b"1\x00"
"""Answers a client from before length-prefixed frames. It reads this as a server version below all
that it supports, tells its user so (error 503) and hangs up."""


class Greeting(Enum):
    """What the first bytes of a connection are."""

    UNFINISHED = "unfinished"
    FRAMED = "framed"
    OLD = "old"
    FOREIGN = "foreign"


class UnsupportedVersionError(Exception):
    """No version suits both sides; ``answer`` is the frame that tells the client."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.answer = encode_fields([4, 2, -1, code, text])


def greeting_of(data: bytes) -> Greeting:
    """What a connection that starts with ``data`` is.

    A client from before server version 100 sends its own version as digits, without a frame.
    """
    start = data[: len(GREETING)]
    if start == GREETING:
        return Greeting.FRAMED
    if GREETING.startswith(start):
        return Greeting.UNFINISHED
    digits, end, _ = data[:8].partition(b"\0")
    if not digits.isdigit():
        return Greeting.FOREIGN
    return Greeting.OLD if end else Greeting.UNFINISHED if len(data) < 8 else Greeting.FOREIGN


def negotiate(body: bytes) -> int | None:
    """The version that client and server speak: the lower of the server's and the client's highest.

    ``body`` is the frame after the greeting, ``v100..178`` with options after a space. ``None``
    when it is not a range of versions. Raises ``UnsupportedVersionError``.
    """
    match = _VERSIONS.fullmatch(body)
    if match is None:
        return None
    lowest = int(match[1])
    highest = int(match[2] or match[1])
    version = min(SERVER_VERSION, highest)
    if version < MIN_CLIENT_VERSION or lowest > highest:
        raise UnsupportedVersionError(506, _TOO_OLD)
    if version < lowest:
        raise UnsupportedVersionError(503, _TOO_NEW)
    return version
