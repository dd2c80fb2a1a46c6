"""What a cached user is: the account as a client sees it, and the logins that may call in its name. No password
hash.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import structlog
from flask import current_app
from redis import OutOfMemoryError, RedisError
from sqlalchemy import Connection, and_, select
from sqlalchemy.exc import SQLAlchemyError

from webapp.cache import fills, keys
from webapp.cache.entries import Entry, new_lease_token
from webapp.cache.kinds import MISSING, Kind
from webapp.cache.redis import get_cache
from webapp.clock import rfc3339, utcnow
from webapp.database import read_connection, timeline_of
from webapp.models import Login, User

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CachedUser:
    """Who a token may speak for. `logins` are the ids of the logins that are not revoked and have not expired."""

    id: str
    role: str
    is_active: bool
    logins: frozenset[str]
    document: dict[str, Any]


def user_document(user: Any) -> dict[str, Any]:
    """Return the user of the HTTP contract, of a `User` or of a row with its columns."""
    return {
        "id": user.id,
        "email": user.email,
        "full_name": user.full_name,
        "role": user.role,
        "is_active": user.is_active,
        "created_at": rfc3339(user.created_at),
    }


def user_data(user: Any, logins: Iterable[str]) -> dict[str, Any]:
    """Return what is cached of a user: the document, the version, and the ids of the logins that are alive."""
    return {**user_document(user), "version": user.version, "logins": sorted(logins)}


def parse(entry: Entry) -> CachedUser | None:
    """Return the user in an entry, or None if there is no such user or the entry is not one of ours."""
    if not entry.body:
        return None
    try:
        data = orjson.loads(entry.body)
        document = {name: data[name] for name in ("id", "email", "full_name", "role", "is_active", "created_at")}
        return CachedUser(data["id"], data["role"], data["is_active"] is True, frozenset(data["logins"]), document)
    except (ValueError, KeyError, TypeError):
        log.error("cached_user_unreadable", version=entry.version)
        return None


def get(user_id: str) -> CachedUser | None:
    """Return a user through the cache."""
    entry, _ = fills.get(USERS, user_id)
    return parse(entry)


def warm(user_id: str) -> None:
    """Fill the cached user unless it is there."""
    fills.warm(USERS, [user_id])


def cache_user_session(user_id: str, user_data: Mapping[str, Any], ttl_minutes: int) -> bool:
    """Cache `user_data` (made by `user_data()`) under `user:{user_id}` for `ttl_minutes`.

    If the user changed since, the row as it is now is cached.

    The data was loaded before the lease was taken, and might be old by now; so its version is held against the row
    once more, under the lease. Returns whether anything was stored. That Redis or the database is away by now is no
    error: what the data is of has been committed.
    """
    cache, key, token = get_cache(), keys.user(user_id), new_lease_token()
    timeline = cache.stamp.timeline
    if not cache.trust.believes():
        return False
    try:
        if not cache.entries.lease([key], token, timeline)[0]:
            return False
        entry = _as_it_is_now(user_id, user_data, timeline)
        if entry is None:
            cache.entries.give_back([key], token, timeline)
            return False
        return cache.entries.put({key: entry}, ttl_minutes * 60, token, timeline)[0]
    except OutOfMemoryError:
        log.warning("redis_full", kind=USERS.name)
        return False
    except RedisError as error:
        cache.trust.doubt(error, operation="cache_user_session")
        return False


def _as_it_is_now(user_id: str, user_data: Mapping[str, Any], timeline: str) -> Entry | None:
    """Return the user's entry, made of `user_data` if the row still has that version. None if the database is another
    one by now, or away.
    """
    try:
        with read_connection() as connection:
            version = connection.scalar(select(User.version).where(User.id == user_id))
            if timeline_of(connection) != timeline:
                return None
            if version == user_data["version"]:
                return Entry(user_data["version"], orjson.dumps(dict(user_data)).decode())
            return _load(connection, [user_id]).get(user_id, MISSING)
    except SQLAlchemyError as error:
        log.warning("user_not_cached", error=type(error).__name__)
        return None


def _load(connection: Connection, user_ids: Sequence[str]) -> dict[str, Entry]:
    alive = and_(Login.user_id == User.id, Login.revoked_at.is_(None), Login.expires_at > utcnow())
    columns = (User.id, User.email, User.full_name, User.role, User.is_active, User.created_at, User.version)
    rows = connection.execute(
        select(*columns, Login.id.label("login_id"))
        .outerjoin(Login, alive)
        .where(User.id.in_(user_ids), User.deleted_at.is_(None))
    ).all()
    logins: dict[str, list[str]] = {}
    for row in rows:
        logins.setdefault(row.id, []).extend([row.login_id] if row.login_id else [])
    users = {row.id: row for row in rows}
    return {
        id: Entry(row.version, orjson.dumps(user_data(row, logins[id])).decode()) for id, row in users.items()
    } | _tombstones(connection, set(user_ids) - users.keys())


def _tombstones(connection: Connection, user_ids: set[str]) -> dict[str, Entry]:
    """Return empty entries, at their last version, of accounts that were deleted."""
    if not user_ids:
        return {}
    rows = connection.execute(select(User.id, User.version).where(User.id.in_(user_ids), User.deleted_at.is_not(None)))
    return {row.id: Entry(row.version, "") for row in rows}


def _changed_since(connection: Connection, since: datetime) -> Iterable[tuple[str, int]]:
    rows = connection.execute(select(User.id, User.version).where(User.updated_at >= since))
    return [(row.id, row.version) for row in rows]


def _ttl_s() -> int:
    return int(current_app.config["SETTINGS"].access_token_expire_minutes) * 60


USERS = Kind("user", keys.user, _ttl_s, _load, _changed_since)
