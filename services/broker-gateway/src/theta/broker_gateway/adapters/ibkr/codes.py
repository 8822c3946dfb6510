"""The TWS message codes that matter, what they mean in our words, and what we do about each.

Every list of another system was incomplete; so the last rule matters most: an unknown code on an
order pages a person and leaves the order's fate to be found out. No code here cancels an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Whom it concerns: a person now, a person today, nobody."""

    PAGE = "page"
    WARN = "warn"
    INFO = "info"


class CodeAction(StrEnum):
    """What the session or the order path does."""

    NONE = "none"
    LINK_DOWN = "link_down"
    """Stop new orders; nothing is judged absent."""
    LINK_UP_DATA_LOST = "link_up_data_lost"
    """Fetch again, then reconcile."""
    LINK_UP = "link_up"
    """Reconcile."""
    RECONNECT = "reconnect"
    QUOTES_UNTRUSTED = "quotes_untrusted"
    QUOTES_FRESH_TICK = "quotes_fresh_tick"
    """Farm is back: trust a quote again once a fresh price tick came."""
    NO_CHAINS = "no_chains"
    CLIENT_ID_IN_USE = "client_id_in_use"
    REQUEST_FAILED = "request_failed"
    NO_DATA = "no_data"
    """No usable market data for this contract; deny new risk on it."""
    UNKNOWN_CONTRACT = "unknown_contract"
    ACCOUNT_STALE = "account_stale"
    ORDER_LIVE = "order_live"
    """The order, or the original of a modify, is still live."""
    ORDER_REJECTED = "order_rejected"
    """The broker refused it; believed only with the status or by reconciliation."""
    ORDER_CANCELLED = "order_cancelled"
    ORDER_RECONCILE = "order_reconcile"
    """Its state is unknown until the broker was asked."""


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """One row of the table."""

    code: int
    meaning: str
    level: Level
    action: CodeAction
    known: bool = True


_P, _W, _I = Level.PAGE, Level.WARN, Level.INFO
_A = CodeAction

_ROWS: tuple[tuple[tuple[int, ...], str, Level, CodeAction], ...] = (
    ((1100,), "the gateway lost the broker's servers", _W, _A.LINK_DOWN),
    ((2110,), "the link from gateway to servers broke; it restores itself", _W, _A.LINK_DOWN),
    ((1101,), "link restored, subscriptions lost", _I, _A.LINK_UP_DATA_LOST),
    ((1102,), "link restored, subscriptions kept", _I, _A.LINK_UP),
    ((1300,), "the gateway's port changed; the connection is dropped", _P, _A.RECONNECT),
    ((2103,), "a market-data farm is down", _W, _A.QUOTES_UNTRUSTED),
    ((2104,), "a market-data farm is up", _I, _A.QUOTES_FRESH_TICK),
    ((2105,), "a history farm is down", _W, _A.NONE),
    ((2106,), "a history farm is up", _I, _A.NONE),
    ((2107, 2108), "a data farm sleeps until asked", _I, _A.NONE),
    ((2119,), "a data farm is connecting", _I, _A.NONE),
    ((2157,), "the security-definition farm is down; no chain look-ups", _W, _A.NO_CHAINS),
    ((2158,), "the security-definition farm is up", _I, _A.NONE),
    ((2100, 2101), "account subscription displaced or refused", _W, _A.ACCOUNT_STALE),
    ((2102,), "the order cannot be modified yet; it is being processed", _W, _A.ORDER_LIVE),
    ((2109,), "the outside-hours flag was ignored", _I, _A.ORDER_LIVE),
    ((2137,), "the order crosses from long to short: is our view of the position wrong?", _P,
     _A.ORDER_LIVE),
    ((501,), "already connected", _I, _A.NONE),
    ((502,), "cannot connect: port, or API disabled", _W, _A.RECONNECT),
    ((503,), "the gateway is too old for this client", _P, _A.RECONNECT),
    ((504,), "not connected", _W, _A.RECONNECT),
    ((505, 506, 507, 508, 509), "the transport failed", _W, _A.RECONNECT),
    ((326,), "the client id is in use: two gateways may run", _P, _A.CLIENT_ID_IN_USE),
    ((327,), "only client 0 may bind hand-made orders", _I, _A.NONE),
    ((320, 321, 322, 323), "the server failed to read, validate or process a request", _W,
     _A.ORDER_RECONCILE),
    ((100,), "more messages a second than allowed: our throttle failed", _P, _A.NONE),
    ((101,), "too many market-data lines", _W, _A.NO_DATA),
    ((162, 165, 366, 420), "history refused, empty or paced", _W, _A.REQUEST_FAILED),
    ((200,), "no such contract, or not only one", _W, _A.UNKNOWN_CONTRACT),
    ((354, 10089, 10090, 10186), "market data not subscribed", _W, _A.NO_DATA),
    ((10091, 10167, 10168), "delayed data, or none, without a subscription", _W, _A.NO_DATA),
    ((10182,), "live updates lost", _W, _A.NO_DATA),
    ((10197,), "no market data: someone else is logged in", _P, _A.QUOTES_UNTRUSTED),
    ((103,), "order id at or below an earlier one: the id logic is broken", _P,
     _A.ORDER_RECONCILE),
    ((104,), "modify of a filled order", _W, _A.ORDER_RECONCILE),
    ((105,), "the modify does not match; the original is live", _W, _A.ORDER_LIVE),
    ((106, 107), "the order cannot be sent or is incomplete", _W, _A.ORDER_REJECTED),
    ((109, 163, 164), "price beyond the gateway's own precaution", _W, _A.ORDER_REJECTED),
    ((110,), "price not on the minimum tick", _W, _A.ORDER_REJECTED),
    ((111, 113), "time in force does not fit", _W, _A.ORDER_REJECTED),
    ((116, 132), "exchange is dead, or a clearing account is missing", _W, _A.ORDER_REJECTED),
    ((133,), "submitting the order failed", _P, _A.ORDER_RECONCILE),
    ((134,), "modifying the order failed", _W, _A.ORDER_RECONCILE),
    ((135, 10147), "the order to cancel was not found; it may have filled", _W,
     _A.ORDER_RECONCILE),
    ((136, 161, 10148), "the order cannot be cancelled in this state; often filled", _W,
     _A.ORDER_RECONCILE),
    ((154,), "the security is halted", _W, _A.ORDER_RECONCILE),
    ((160, 434), "an order of size zero", _W, _A.ORDER_REJECTED),
    ((201,), "rejected by the broker; the reason is in the text", _W, _A.ORDER_REJECTED),
    ((202,), "cancelled; the text may carry the broker's reason", _I, _A.ORDER_CANCELLED),
    ((203,), "this account may not trade the security", _W, _A.ORDER_REJECTED),
    ((329,), "the modify failed; the order is live", _W, _A.ORDER_LIVE),
    ((355, 382, 383, 388), "size or tick rule, or size precaution", _W, _A.ORDER_REJECTED),
    ((360,), "no what-if for this combination", _W, _A.REQUEST_FAILED),
    ((387, 392, 412), "type not supported, contract expired or not tradable", _W,
     _A.ORDER_REJECTED),
    ((395, 396, 397), "the broker restricts order types because of system problems", _P,
     _A.ORDER_RECONCILE),
    ((399,), "a message on the order, such as held until the open; it is live", _I,
     _A.ORDER_LIVE),
    ((404,), "shares to short are not available; the order is held, and live", _P,
     _A.ORDER_LIVE),
    ((426,), "not enough shares in the accounts", _W, _A.ORDER_REJECTED),
    ((435,), "the order must name an account", _W, _A.ORDER_REJECTED),
    ((460, 461, 463), "no permission to trade this", _P, _A.ORDER_REJECTED),
    ((10015,), "trading through the API is not allowed", _P, _A.ORDER_REJECTED),
    ((10289, 10293), "rejected; see the text", _W, _A.ORDER_REJECTED),
    ((10349,), "time in force set by a preset; only information", _I, _A.ORDER_LIVE),
)  # fmt: skip

TABLE: dict[int, CodeMeaning] = {
    code: CodeMeaning(code, meaning, level, action)
    for codes, meaning, level, action in _ROWS
    for code in codes
}

_MARGIN_WORDS = ("margin", "buying power", "equity with loan", "insufficient", "available funds")


def lookup(code: int, *, on_order: bool, text: str = "") -> CodeMeaning:
    """Return what `code` means, on an order or not. `text` is the broker's own, read for margin.

    An unknown code on an order: page, and reconcile. Elsewhere: a warning.
    """
    row = TABLE.get(code)
    if row is None:
        if on_order:
            meaning = "a code not in our table, on an order: its state is unknown"
            return CodeMeaning(code, meaning, _P, _A.ORDER_RECONCILE, known=False)
        return CodeMeaning(code, "a code not in our table", _W, _A.NONE, known=False)
    if code == 201 and any(word in text.lower() for word in _MARGIN_WORDS):
        return CodeMeaning(code, "rejected for want of margin", _P, row.action)
    if on_order and row.action in _NOT_OF_ORDERS:
        # A code of requests or of the session, with an order's id: it does not tell the fate.
        return CodeMeaning(code, row.meaning, row.level, _A.ORDER_RECONCILE)
    return row


_NOT_OF_ORDERS = frozenset(_A) - {
    _A.ORDER_LIVE,
    _A.ORDER_REJECTED,
    _A.ORDER_CANCELLED,
    _A.ORDER_RECONCILE,
}
