"""Which TWS client library this process uses: chosen once, before its first import.

The libraries keep state per process (an event loop at import, patched classes), so a process has
one of them from its start to its end.
"""

from __future__ import annotations

import importlib.util
from enum import StrEnum

from theta.common.errors import ConfigError, InvariantError


class TwsClient(StrEnum):
    """The client libraries that the adapter knows, by the name of their package."""

    IB_INSYNC = "ib_insync"
    IB_ASYNC = "ib_async"


class _Choice:
    made = TwsClient.IB_INSYNC
    final = False


def choose(client: TwsClient) -> None:
    """Use `client` from now on.

    Raises ConfigError when it is not installed, InvariantError when the other one is in use.
    """
    if _Choice.final and _Choice.made is not client:
        message = f"{_Choice.made} is in use in this process: {client} was chosen too late"
        raise InvariantError(message)
    if importlib.util.find_spec(client.value) is None:
        message = (
            f"THETA_TWS_CLIENT is {client}, which is not installed: install it with"
            f" `pip install {client}`, or leave the setting out for {TwsClient.IB_INSYNC}."
        )
        raise ConfigError(message)
    _Choice.made = client


def chosen() -> TwsClient:
    """Return the choice, which is final from then on; `ib_insync` where nobody chose."""
    _Choice.final = True
    return _Choice.made
