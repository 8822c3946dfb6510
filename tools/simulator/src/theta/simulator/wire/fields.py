"""Reads the fields of one request in order."""

import math

_DIGITS_MAX = 18


class RequestError(Exception):
    """A request that TWS answers with an error message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


def malformed(what: str) -> RequestError:
    """The answer to a field that TWS cannot read."""
    return RequestError(320, f"Error reading request. Unable to parse data. {what}")


def whole_number(text: str) -> int:
    """``text`` as a whole number of at most 18 digits. Raises ``ValueError`` for anything else."""
    if len(text) > _DIGITS_MAX or not text.isascii() or "_" in text:
        raise ValueError("not a plain whole number")
    return int(text)


def parse_whole(text: str) -> int:
    """``text`` as a whole number. Raises ``RequestError`` 320 for anything else."""
    try:
        return whole_number(text)
    except ValueError:
        raise malformed(f"'{text[:32]}' is not a whole number.") from None


def parse_number(text: str) -> float:
    """``text`` as a finite number. Raises ``RequestError`` 320 for anything else."""
    try:
        number = float(text)
    except ValueError:
        raise malformed(f"'{text[:32]}' is not a number.") from None
    if not math.isfinite(number) or not text.isascii() or "_" in text:
        raise malformed(f"'{text[:32]}' is not a finite number.")
    return number


class Fields:
    """The fields of a request, consumed front to back.

    Reading past the end or an unreadable number raises ``RequestError`` 320, which is what TWS
    answers. An empty number is its default, as clients send unset values as empty text.
    """

    def __init__(self, values: list[str]) -> None:
        self._values = values
        self._next = 0

    def text(self) -> str:
        if self._next >= len(self._values):
            raise malformed("The request ended early.")
        value = self._values[self._next]
        self._next += 1
        return value

    def integer(self, default: int = 0) -> int:
        value = self.text()
        return parse_whole(value) if value else default

    def number(self, default: float = 0.0) -> float:
        value = self.text()
        return parse_number(value) if value else default

    def flag(self) -> bool:
        return self.integer() != 0

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.text()

    def take(self, count: int) -> list[str]:
        """The next ``count`` fields."""
        after = self._next + count
        if after > len(self._values):
            raise malformed("The request ended early.")
        taken = self._values[self._next : after]
        self._next = after
        return taken

    def left(self) -> int:
        return len(self._values) - self._next
