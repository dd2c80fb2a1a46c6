"""Making an account, and the own account."""

from flask import Blueprint, Response, jsonify

from webapp.accounts import deletion, present_password, registration
from webapp.accounts.schemas import AccountDeletion, PasswordChange, Registration, UserChange
from webapp.auth import logins
from webapp.auth.cached_users import user_document
from webapp.auth.devices import blacklist, calling_device, logged_in
from webapp.auth.endpoint import endpoint
from webapp.auth.guard import Caller
from webapp.auth.limits import limit_registration
from webapp.auth.schemas import TokensDocument, UserDocument
from webapp.database import db

blueprint = Blueprint("accounts", __name__, url_prefix="/api/v1")
TAG = "Users"


@blueprint.post("/auth/register")
@endpoint({201: UserDocument}, 409, tag="Auth")
def register_account(json: Registration) -> tuple[Response, int]:
    """Make an account."""
    limit_registration()
    user = registration.register(json)
    db.session.commit()
    return jsonify(user_document(user)), 201


@blueprint.get("/users/me")
@endpoint(UserDocument, tag=TAG)
def get_own_account(caller: Caller) -> Response:
    """Return who is calling."""
    return jsonify(caller.user.document)


@blueprint.patch("/users/me")
@endpoint(UserDocument, tag=TAG)
def change_own_account(caller: Caller, json: UserChange) -> Response:
    """Change the own account."""
    with logins.own_account_change(caller) as user:
        user.full_name = json.full_name
    db.session.commit()
    return jsonify(user_document(user))


@blueprint.put("/users/me/password")
@endpoint(TokensDocument, 403, tag=TAG)
def change_password(caller: Caller, json: PasswordChange) -> Response:
    """Change the password: every earlier token is dead, those of this login included. Answers with a new login's."""
    user, login = present_password.change(caller, json.current_password, json.new_password, *calling_device())
    db.session.commit()
    blacklist(caller)
    return logged_in(user, login)


@blueprint.delete("/users/me")
@endpoint({204: None}, 403, tag=TAG)
def delete_own_account(caller: Caller, json: AccountDeletion) -> tuple[str, int]:
    """Delete the own account with its drives and logins."""
    deletion.close_account(caller, json.password)
    db.session.commit()
    deletion.erase_at_once(caller.user.id)
    return "", 204
