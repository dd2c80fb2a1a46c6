"""The cached user: the account as a client sees it, and the logins that may call in its name. No password hash."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson
import structlog
from sqlalchemy import Connection, and_, select

from webapp.auth.guard import CachedUser
from webapp.auth.schemas import UserDocument
from webapp.cache import entries, fills
from webapp.cache.entries import Entry
from webapp.cache.kinds import Kind, RowVersion
from webapp.clock import utcnow
from webapp.config import settings
from webapp.http.json import document
from webapp.models import Login, User

log = structlog.get_logger(__name__)

_FIELDS = tuple(UserDocument.model_fields)


def user_document(user: Any) -> dict[str, Any]:
    """Return the user of the HTTP contract, of a `User` or of a row with its columns."""
    return document(UserDocument, user)


def parse(entry: Entry) -> CachedUser | None:
    """Return the user in an entry, or None if there is no such user or the entry is not one of ours."""
    if not entry.body:
        return None
    try:
        data = orjson.loads(entry.body)
        shown = {name: data[name] for name in _FIELDS}
        return CachedUser(data["id"], data["role"], data["is_active"] is True, frozenset(data["logins"]), shown)
    except (ValueError, KeyError, TypeError):
        log.error("cached_user_unreadable", version=entry.version)
        return None


@lru_cache(maxsize=4096)  # Of 2 KiB each: the drivers whose apps call a process within a minute or so.
def user_in(raw: str | None, stamp: str) -> CachedUser | None:
    """Return the user in a stored string. Many requests meet the same one, and it says all that a `CachedUser` does."""
    entry = entries.parse(raw, stamp)
    return parse(entry) if entry is not None else None


def cache_user_session(user_id: str, user_data: Mapping[str, Any], ttl_minutes: int) -> bool:
    """Cache a user under `user:{user_id}` for `ttl_minutes`. Returns whether anything was stored.

    Kept, with its arguments, for the system that this one grows out of: our own login fills by `fills`. `user_data` was
    read before the lease was taken, and may be old by now; so the row is stored as it is read under the lease.
    """
    return fills.fill_if_possible(replace(USERS, ttl_s=lambda: ttl_minutes * 60), user_id)


def _load(connection: Connection, user_ids: Sequence[str]) -> dict[str, Entry]:
    alive = and_(Login.user_id == User.id, Login.revoked_at.is_(None), Login.expires_at > utcnow())
    columns = [getattr(User, name) for name in (*_FIELDS, "version")]
    rows = connection.execute(
        select(*columns, Login.id.label("login_id"))
        .outerjoin(Login, alive)
        .where(User.id.in_(user_ids), User.deleted_at.is_(None))
    ).all()
    logins: dict[str, list[str]] = {}
    for row in rows:
        logins.setdefault(row.id, []).extend([row.login_id] if row.login_id else [])
    users = {row.id: row for row in rows}
    return {id: _entry(row, logins[id]) for id, row in users.items()} | _tombstones(
        connection, set(user_ids) - users.keys()
    )


def _entry(row: Any, logins: Iterable[str]) -> Entry:
    data = {**user_document(row), "logins": sorted(logins)}
    return Entry(row.version, orjson.dumps(data).decode())


def _tombstones(connection: Connection, user_ids: set[str]) -> dict[str, Entry]:
    """Return empty entries, at their last version, of accounts that were deleted."""
    if not user_ids:
        return {}
    rows = connection.execute(select(User.id, User.version).where(User.id.in_(user_ids), User.deleted_at.is_not(None)))
    return {row.id: Entry(row.version, "") for row in rows}


def _ttl_s() -> int:
    return settings().access_token_expire_minutes * 60


USERS = Kind(
    name="user",
    prefix="user:",
    version=RowVersion(User),
    load=_load,
    shape=(UserDocument, CachedUser),
    ttl_s=_ttl_s,
    is_exact=False,  # A login that expires leaves it, and no version rises.
    first_reads=lambda _connection, user_id: [user_id],
)
