"""The own account."""

from flask import Blueprint, Response, jsonify, request

from webapp.auth import accounts, logins
from webapp.auth.authenticate import authenticated
from webapp.auth.devices import blacklist, calling_device, logged_in
from webapp.auth.guard import Caller
from webapp.auth.schemas import AccountDeletion, PasswordChange, TokensDocument, UserChange, UserDocument
from webapp.cache.users import user_document
from webapp.http.api import BEARER, api, responses

blueprint = Blueprint("users", __name__, url_prefix="/api/v1/users")
TAGS = ("Users",)


@blueprint.get("/me")
@authenticated()
@api.validate(resp=responses(401, HTTP_200=UserDocument), security=BEARER, tags=TAGS)
def me(caller: Caller) -> Response:
    """Return who is calling."""
    return jsonify(caller.user.document)


@blueprint.patch("/me")
@authenticated()
@api.validate(json=UserChange, resp=responses(400, 401, 413, 415, HTTP_200=UserDocument), security=BEARER, tags=TAGS)
def change_me(caller: Caller) -> Response:
    """Change the own account."""
    body: UserChange = request.context.json  # type: ignore[attr-defined]
    with logins.account_change(caller.user.id) as user:
        user.full_name = body.full_name
    return jsonify(user_document(user))


@blueprint.put("/me/password")
@authenticated()
@api.validate(
    json=PasswordChange, resp=responses(400, 401, 403, 413, 415, HTTP_200=TokensDocument), security=BEARER, tags=TAGS
)
def change_password(caller: Caller) -> Response:
    """Change the password: every earlier token is dead, those of this login included. Answers with a new login's."""
    body: PasswordChange = request.context.json  # type: ignore[attr-defined]
    user, login = accounts.change_password(caller, body.current_password, body.new_password, *calling_device())
    blacklist(caller)
    return logged_in(user, login, alive=[login.id])


@blueprint.delete("/me")
@authenticated()
@api.validate(json=AccountDeletion, resp=responses(400, 401, 403, 413, 415, HTTP_204=None), security=BEARER, tags=TAGS)
def delete_me(caller: Caller) -> tuple[str, int]:
    """Delete the own account with its drives and logins."""
    body: AccountDeletion = request.context.json  # type: ignore[attr-defined]
    accounts.delete_account(caller, body.password)
    return "", 204
