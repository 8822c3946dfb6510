"""Keeps secrets out of logs, spans and error texts.

Three nets: values under a key that names a secret, passwords inside URLs, and every value that was
registered as a secret when the settings were read, wherever it turns up.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping

REDACTED = "[redacted]"

_SECRET_KEY = re.compile(
    r"token|password|passwd|secret|authorization|webhook|api_key", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", re.IGNORECASE)
_BEARER = re.compile(r"(?P<head>\bBearer\s+)[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_SHORTEST_SECRET = 4

_registered: set[str] = set()
_lock = threading.Lock()


def register_secret(value: str) -> None:
    """Never let `value` appear in a log line again. Values under 4 characters are ignored."""
    if len(value) >= _SHORTEST_SECRET:
        with _lock:
            _registered.add(value)


def redact_text(text: str) -> str:
    """Return `text` without registered secrets, URL passwords and bearer tokens."""
    for secret in sorted(_registered, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, REDACTED)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<head>:{REDACTED}@", text)
    return _BEARER.sub(rf"\g<head>{REDACTED}", text)


def redact(value: object, *, key: str = "") -> object:
    """Return `value` safe to write down; mappings and sequences are walked.

    `key` is the name under which the value stands: a name that says secret hides it whole.
    `None` and booleans stay, since they say only whether a secret exists.
    """
    if key and _SECRET_KEY.search(key) and value is not None and not isinstance(value, bool):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(name): redact(item, key=str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(item) for item in value]
    return value
