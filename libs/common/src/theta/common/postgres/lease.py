"""Leases with an epoch: who may act, and a number that outlives a frozen holder (order-protocol
§7).

Time is the database's, so that two hosts with different clocks agree.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

_ACQUIRE = text(
    """
    insert into lease (name, account, holder, epoch, expires_at)
    values (:name, :account, :holder, 1, clock_timestamp() + make_interval(secs => :ttl))
    on conflict (name) do update
      set holder = excluded.holder, epoch = lease.epoch + 1, acquired_at = clock_timestamp(),
          expires_at = excluded.expires_at
      where lease.expires_at < clock_timestamp() or lease.holder = excluded.holder
    returning epoch
    """
)
_RENEW = text(
    """
    update lease set expires_at = clock_timestamp() + make_interval(secs => :ttl)
    where name = :name and holder = :holder and epoch = :epoch and expires_at > clock_timestamp()
    """
)
_CHECK = text(
    """
    select 1 from lease
    where name = :name and epoch = :epoch and expires_at > clock_timestamp() for share
    """
)
_RELEASE = text(
    """
    update lease set expires_at = clock_timestamp() - interval '1 second'
    where name = :name and holder = :holder and epoch = :epoch
    """
)


def acquire(
    connection: Connection, *, name: str, account: str, holder: str, ttl_seconds: float
) -> int | None:
    """Take the lease and return its new epoch; `None` while another holder's lease has not expired.

    The epoch rises with every acquisition, so that a claim by an earlier holder is seen as old.
    """
    parameters = {"name": name, "account": account, "holder": holder, "ttl": ttl_seconds}
    epoch = connection.execute(_ACQUIRE, parameters).scalar_one_or_none()
    return None if epoch is None else int(epoch)


def renew(
    connection: Connection, *, name: str, holder: str, epoch: int, ttl_seconds: float
) -> bool:
    """Extend an unexpired lease of this holder and epoch; False means that it is lost."""
    parameters = {"name": name, "holder": holder, "epoch": epoch, "ttl": ttl_seconds}
    return connection.execute(_RENEW, parameters).rowcount == 1


def check(connection: Connection, *, name: str, epoch: int) -> bool:
    """Tell whether the lease is unexpired and of this epoch, locking it FOR SHARE until commit."""
    return connection.execute(_CHECK, {"name": name, "epoch": epoch}).first() is not None


def release(connection: Connection, *, name: str, holder: str, epoch: int) -> None:
    """Give the lease up, if it is still this holder's and epoch's."""
    connection.execute(_RELEASE, {"name": name, "holder": holder, "epoch": epoch})
