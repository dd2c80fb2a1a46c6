"""Accounts, as administrators see them."""

from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import and_, or_, select

from webapp import cursors
from webapp.auth import accounts, logins, tokens
from webapp.auth.authenticate import authenticated, require_admin
from webapp.auth.guard import Caller
from webapp.auth.schemas import AdminChange, UserDocument, UserListDocument, UserListQuery
from webapp.cache.users import user_document
from webapp.database import read_connection
from webapp.http.api import BEARER, api, responses
from webapp.http.errors import Conflict, NotFound, Unauthorized, field_error
from webapp.models import User

blueprint = Blueprint("admin", __name__, url_prefix="/api/v1/admin")
TAGS = ("Administration",)


@blueprint.get("/users")
@authenticated()
@api.validate(query=UserListQuery, resp=responses(401, 403, HTTP_200=UserListDocument), security=BEARER, tags=TAGS)
def list_users(caller: Caller) -> Response:
    """List the accounts, newest first."""
    require_admin(caller)
    query: UserListQuery = request.context.query  # type: ignore[attr-defined]
    with read_connection() as connection:
        rows = list(connection.execute(_page(query)))
    shown, has_more = rows[: query.limit], len(rows) > query.limit
    next_cursor = cursors.encode(cursors.Cursor(shown[-1].created_at, shown[-1].id)) if has_more else None
    return jsonify(data=[user_document(row) for row in shown], next_cursor=next_cursor, has_more=has_more)


@blueprint.patch("/users/<user_id>")
@authenticated()
@api.validate(
    json=AdminChange,
    resp=responses(400, 401, 403, 404, 409, 413, 415, HTTP_200=UserDocument),
    security=BEARER,
    tags=TAGS,
)
def change_user(caller: Caller, user_id: str) -> Response:
    """Change a user's role or activity. It takes effect on that user's next request."""
    require_admin(caller)
    change: AdminChange = request.context.json  # type: ignore[attr-defined]
    if user_id == caller.user.id:
        raise Conflict("Administrators cannot change their own role or activity.", code="own_account")
    if not tokens.is_uuid(user_id):
        raise _no_such_user()
    try:
        with logins.account_change(user_id) as user:
            if change.role is not None:
                accounts.set_role(user, change.role, caller.user.id)
            if change.is_active is not None:
                accounts.set_active(user, change.is_active, caller.user.id)
    except Unauthorized:
        raise _no_such_user() from None
    return jsonify(user_document(user))


def _no_such_user() -> NotFound:
    return NotFound("There is no such user.", code="user_not_found")


def _page(query: UserListQuery) -> Any:
    table = User.__table__
    page = select(*table.columns).where(table.c.deleted_at.is_(None))
    if query.cursor is not None:
        try:
            cursor = cursors.decode(query.cursor)
        except ValueError:
            raise field_error("/cursor", "invalid_cursor", "is not a cursor of this list") from None
        is_later = and_(table.c.created_at == cursor.moment, table.c.id < cursor.id)
        page = page.where(or_(table.c.created_at < cursor.moment, is_later))
    return page.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(query.limit + 1)
