"""Accounts, as administrators see them."""

from flask import Blueprint, Response, jsonify

from webapp.accounts import administration
from webapp.accounts.schemas import AdminChange, UserListDocument
from webapp.auth.cached_users import user_document
from webapp.auth.endpoint import endpoint
from webapp.auth.guard import Administrator
from webapp.auth.logins import NoSuchAccountError
from webapp.auth.schemas import UserDocument
from webapp.database import db
from webapp.http.errors import Conflict, NotFound
from webapp.http.paging import PageQuery

blueprint = Blueprint("admin", __name__, url_prefix="/api/v1/admin")
TAG = "Administration"


@blueprint.get("/users")
@endpoint(UserListDocument, tag=TAG)
def list_users(caller: Administrator, query: PageQuery) -> Response:
    """List the accounts, newest first."""
    return jsonify(administration.list_users(query))


@blueprint.patch("/users/<user_id>")
@endpoint(UserDocument, 409, tag=TAG)
def change_user(caller: Administrator, user_id: str, json: AdminChange) -> Response:
    """Change a user's role or activity. It takes effect on that user's next request."""
    if user_id == caller.user.id:
        raise Conflict("Administrators cannot change their own role or activity.", code="own_account")
    try:
        user = administration.change(user_id, json, caller.user.id)
    except NoSuchAccountError:
        raise NotFound("There is no such user.", code="user_not_found") from None
    db.session.commit()
    return jsonify(user_document(user))
