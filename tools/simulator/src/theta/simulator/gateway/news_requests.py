"""News bulletins, which a person or a fault posts; there is no news feed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from theta.simulator.gateway.session import Session
from theta.simulator.market import calendar
from theta.simulator.wire import reference
from theta.simulator.wire.fields import Fields, RequestError

if TYPE_CHECKING:
    from theta.simulator.gateway.gateway import Gateway

_KEPT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Bulletin:
    """A bulletin of one day (ISO); ``kind`` 1 news, 2 exchange unavailable, 3 available again."""

    number: int
    kind: int
    text: str
    exchange: str
    day: str


def bulletin(gateway: "Gateway", text: str, kind: int = 1, exchange: str = "") -> Bulletin:
    """Post a bulletin and send it to everybody who is subscribed. ``kind`` is 1, 2 or 3."""
    board = gateway.bulletins
    day = calendar.trading_date(gateway.exchange.clock.now()).isoformat()
    number = board[-1].number + 1 if board else 1
    posted = Bulletin(number, kind, text, exchange, day)
    board.append(posted)
    del board[:-_KEPT_MAX]
    for session in gateway.sessions.values():
        if session.subscriptions.bulletins:
            _send(session, posted)
    return posted


def _send(session: Session, posted: Bulletin) -> None:
    session.write(reference.bulletin(posted.number, posted.kind, posted.text, posted.exchange))


def subscribe(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """Bulletins from now on, with those of the day so far where the client wants all."""
    fields.skip(1)
    session.subscriptions.bulletins = True
    if fields.flag():
        today = calendar.trading_date(gateway.exchange.clock.now()).isoformat()
        for posted in gateway.bulletins:
            if posted.day == today:
                _send(session, posted)


def unsubscribe(gateway: "Gateway", session: Session, fields: Fields) -> None:
    session.subscriptions.bulletins = False


def providers(gateway: "Gateway", session: Session, fields: Fields) -> None:
    """The list of news providers, which is empty."""
    session.write(reference.news_providers())


def article(gateway: "Gateway", session: Session, fields: Fields) -> None:
    raise RequestError(10172, "Failed to request news article:No data available")


def historical(gateway: "Gateway", session: Session, fields: Fields) -> None:
    cause = "The entered news source is invalid. Valid are: []"
    raise RequestError(321, f"Error validating request.-'bR' : cause - {cause}")


HANDLERS = {
    12: subscribe,
    13: unsubscribe,
    84: article,
    85: providers,
    86: historical,
}
