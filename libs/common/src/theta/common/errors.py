"""The error tree, split by what to do next.

    ThetaError
    ├── ConfigError            a person must mend a file or a setting; the process exits 78
    ├── TransientError         nothing happened; trying again is safe
    │   └── UnavailableError   a peer (database, Redis, broker) cannot be reached; exit 69
    │       └── RefusedForNowError   the peer answered that it cannot do it now
    ├── OutcomeUnknownError    it may have happened: never retry, find out
    ├── RejectedError          final, with a code
    │   └── BrokerRejectedError
    ├── StaleDataError         an input is missing or too old: refuse
    └── InvariantError         the program contradicts itself: stop trading, page a person

Business refusals (a risk verdict, a decision to do nothing) are values, not exceptions.
Every message is one sentence that says what is wrong, where, and the mend.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_CONFIG = 78
"""`EX_CONFIG` of sysexits.h: a setting or a file is wrong."""
EXIT_UNAVAILABLE = 69
"""`EX_UNAVAILABLE`: a peer that the process needs cannot be reached."""
EXIT_SOFTWARE = 70
"""`EX_SOFTWARE`: an invariant is broken."""
EXIT_REFUSED = 77
"""`EX_NOPERM`: the answer was no (a token, a role, a halted gate)."""


class ThetaError(Exception):
    """Root of every error that the product raises on purpose."""

    exit_code: int = EXIT_SOFTWARE


class ConfigError(ThetaError):
    """A setting, file or argument is wrong. Never retried."""

    exit_code = EXIT_CONFIG


class TransientError(ThetaError):
    """Nothing happened. The same call may be repeated, within a bound."""

    exit_code = EXIT_UNAVAILABLE


class UnavailableError(TransientError):
    """A peer cannot be reached, or did not answer a question that changes nothing."""


class RefusedForNowError(UnavailableError):
    """The peer answered, and could not do this now (a deadlock, a full disk, a time limit).

    Nothing happened. Unlike a peer that is away it may be the fault of this one request, so whoever
    repeats it must stop somewhere.
    """


class OutcomeUnknownError(ThetaError):
    """It may have happened. Never repeat it: reconcile (order-protocol §6)."""


class RejectedError(ThetaError):
    """The answer is no, finally. `code` is stable and documented."""

    exit_code = EXIT_REFUSED

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BrokerRejectedError(RejectedError):
    """The broker refused; `code` is its number as text."""


class StaleDataError(ThetaError):
    """An input is missing or older than its limit. The caller refuses to act."""

    exit_code = EXIT_UNAVAILABLE


class InvariantError(ThetaError):
    """The program's own records contradict each other. Trading stops, a person is paged."""
