"""Reads chains with bid and ask: CSV files in the layout of the shipped ones."""

import csv
import gzip
import io
from collections.abc import Mapping

from theta.simulator.market.recording import Key, Row


def rows(packed: bytes) -> Mapping[Key, Row]:
    """The lines of a gzip-compressed or plain CSV.

    Columns: expiry (YYYY-MM-DD), type (C or P), strike, bid, ask, lastPrice, volume, openInterest.
    Raises ``ValueError`` or ``KeyError`` for another layout.
    """
    text = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
    lines = csv.reader(io.StringIO(text.decode()))
    header = next(lines, [])
    try:
        at = [header.index(name) for name in _COLUMNS]
    except ValueError as error:
        raise ValueError(f"The chain has no column {str(error).split(' ')[0]}.") from None
    expiries: dict[str, str] = {}
    found: dict[Key, Row] = {}
    for line in lines:
        expiry, strike, right, bid, ask, last, volume, interest = (line[i] for i in at)
        day = expiries.setdefault(expiry, expiry.replace("-", ""))
        found[day, float(strike), right_of(right)] = Row(
            bid=number(bid),
            ask=number(ask),
            last=number(last),
            volume=int(number(volume)),
            open_interest=int(number(interest)),
        )
    return found


_COLUMNS = ("expiry", "strike", "type", "bid", "ask", "lastPrice", "volume", "openInterest")


def right_of(text: str) -> str:
    """C or P of any spelling that begins so. Raises ``ValueError`` for another."""
    right = text[:1].upper()
    if right == "C":
        return "C"
    if right == "P":
        return "P"
    raise ValueError(f"{text!r} is neither a call nor a put.")


def number(text: str) -> float:
    """A number; 0 for an empty field, as the recorders leave it."""
    return float(text) if text else 0.0
