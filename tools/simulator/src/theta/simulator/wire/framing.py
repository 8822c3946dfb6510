"""Length-prefixed frames of NUL-terminated text fields, as TWS sends them."""

import struct
from collections.abc import Iterable

MAX_FRAME_BYTES = 1 << 20
_PREFIX = struct.Struct(">I")


class FrameError(Exception):
    """The byte stream cannot be a TWS stream: the connection must be closed."""


class FrameReader:
    """Cuts a byte stream into frame bodies.

    ``feed`` accepts any split of the stream and returns the bodies completed so far. A declared
    length of zero
    or above ``MAX_FRAME_BYTES`` raises ``FrameError``: no later byte of that stream can be trusted.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        bodies: list[bytes] = []
        while len(self._buffer) >= _PREFIX.size:
            (length,) = _PREFIX.unpack_from(self._buffer)
            if not 0 < length <= MAX_FRAME_BYTES:
                raise FrameError(f"frame length {length} is outside 1..{MAX_FRAME_BYTES}")
            end = _PREFIX.size + length
            if len(self._buffer) < end:
                break
            bodies.append(bytes(self._buffer[_PREFIX.size : end]))
            del self._buffer[:end]
        return bodies


def frame(body: bytes) -> bytes:
    """One frame around ``body``."""
    return _PREFIX.pack(len(body)) + body


def encode_fields(fields: Iterable[object]) -> bytes:
    """One frame holding ``fields`` in TWS text form.

    ``None`` is empty, booleans are 1 and 0, floats use the shortest exact form. A NUL inside a text
    field would
    shift every later field and is replaced by a space.
    """
    texts = [
        value if type(value) is str else str(value) if type(value) is int else field_text(value)
        for value in fields
    ]
    texts.append("")
    joined = "\0".join(texts)
    # Looking at the whole once is quicker than at each of an order's hundred fields.
    if joined.count("\0") >= len(texts):
        joined = "\0".join(text.replace("\0", " ") for text in texts)
    return frame(joined.encode(errors="replace"))


def field_text(value: object) -> str:
    """The TWS text form of one field."""
    if type(value) is str:
        return value.replace("\0", " ") if "\0" in value else value
    if value is None:
        return ""
    if value is True or value is False:
        return "1" if value else "0"
    if isinstance(value, float):
        return repr(value)
    return str(value).replace("\0", " ")


def decode_fields(body: bytes) -> list[str]:
    """The fields of a frame body; undecodable bytes become replacement characters."""
    fields = body.decode(errors="replace").split("\0")
    if fields and fields[-1] == "":
        fields.pop()
    return fields
