"""Connections to Redis, every wait bounded."""

from __future__ import annotations

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from theta.common.errors import ConfigError, UnavailableError
from theta.common.telemetry.redaction import redact_text

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 15.0
"""Longer than any blocking pop that the workers make (0.5 s)."""
HEALTH_CHECK_INTERVAL_SECONDS = 15
RETRIES = 2


def connect(url: str, *, check: bool = True) -> redis.Redis:
    """Return a client for `url` (`redis://`, `rediss://`, `unix://`).

    A command is tried at most `RETRIES` more times after a lost connection, under 1 s apart.
    With `check`, Redis must answer a PING now; without it, the client connects on first use (for
    workers, which wait for Redis by themselves).

    Raises:
        ConfigError: the URL cannot be read.
        UnavailableError: Redis does not answer. The text never holds the password.
    """
    try:
        client = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            socket_timeout=READ_TIMEOUT_SECONDS,
            health_check_interval=HEALTH_CHECK_INTERVAL_SECONDS,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), RETRIES),
        )
    except ValueError as error:
        message = (
            f"THETA_REDIS_URL is not a Redis address ({redact_text(url)!r}): "
            "use redis://[:password@]host:port/database."
        )
        raise ConfigError(message) from error
    if check:
        try:
            client.ping()
        except (RedisError, OSError) as error:
            client.close()
            reason = redact_text(str(error)) or type(error).__name__
            message = (
                f"Redis at {redact_text(url)} does not answer ({reason}): "
                "start it or mend THETA_REDIS_URL."
            )
            raise UnavailableError(message) from None
    return client
