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
    if len(text) > _DIGITS_MAX:
        raise ValueError("too long")
    return int(text)


class Fields:
    """The fields of a request, consumed front to back.

    Reading past the end or an unreadable number raises ``RequestError`` 320, which is what TWS
    answers. An empty
    number is its default, as clients send unset values as empty text.
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
        if not value:
            return default
        try:
            return whole_number(value)
        except ValueError:
            raise malformed(f"'{value[:32]}' is not a whole number.") from None

    def number(self, default: float = 0.0) -> float:
        value = self.text()
        return self.parse(value) if value else default

    @staticmethod
    def parse(value: str) -> float:
        """``value`` as a finite number. Raises ``RequestError`` 320 for anything else."""
        try:
            number = float(value)
        except ValueError:
            raise malformed(f"'{value[:32]}' is not a number.") from None
        if not math.isfinite(number):
            raise malformed(f"'{value[:32]}' is not a finite number.")
        return number

    def peek(self) -> str:
        """The next field, left in place; empty at the end."""
        return self._values[self._next] if self._next < len(self._values) else ""

    def flag(self) -> bool:
        return self.integer() != 0

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.text()

    def left(self) -> int:
        return len(self._values) - self._next
