"""Logging in, staying logged in, and logging out."""

from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import Row, select

from webapp.auth import accounts, audit, logins, passwords, tokens
from webapp.auth.authenticate import authenticated
from webapp.auth.devices import blacklist, calling_device, logged_in
from webapp.auth.guard import Caller
from webapp.auth.limits import count_failed_login, limit_login, limit_registration
from webapp.auth.schemas import Credentials, LoginListDocument, Registration, TokensDocument, UserDocument
from webapp.cache.users import user_document
from webapp.clock import rfc3339
from webapp.database import read_connection
from webapp.extensions import db
from webapp.http.api import BEARER, PUBLIC, api, responses
from webapp.http.errors import NotFound, Unauthorized
from webapp.models import Login, User

blueprint = Blueprint("auth", __name__, url_prefix="/api/v1/auth")
TAGS = ("Auth",)


@blueprint.post("/register")
@api.validate(json=Registration, resp=responses(400, 409, 413, 415, HTTP_201=UserDocument), security=PUBLIC, tags=TAGS)
def register() -> tuple[Response, int]:
    """Make an account."""
    body: Registration = request.context.json  # type: ignore[attr-defined]
    limit_registration()
    user = accounts.register(body.email, body.password, body.full_name)
    return jsonify(user_document(user)), 201


@blueprint.post("/login")
@api.validate(json=Credentials, resp=responses(400, 401, 413, 415, HTTP_200=TokensDocument), security=PUBLIC, tags=TAGS)
def login() -> Response:
    """Log in: a new login with its own tokens."""
    body: Credentials = request.context.json  # type: ignore[attr-defined]
    limit_login(body.email)
    # Again, if the hash became another one meanwhile: a login at the same time may have hashed the same password anew.
    begun = _begun(body) or _begun(body)
    if begun is None:
        raise _wrong_credentials()
    return logged_in(*begun)


@blueprint.post("/refresh")
@authenticated(tokens.REFRESH)
@api.validate(resp=responses(401, HTTP_200=TokensDocument), security=BEARER, tags=TAGS)
def refresh(caller: Caller) -> Response:
    """Exchange a refresh token (sent as Bearer) for new tokens. Each refresh token is good once, and 10 s longer for
    who did not get the answer; an older one ends the login.
    """
    return jsonify(tokens.issue(logins.rotate(caller.claims)))


@blueprint.post("/logout")
@authenticated(tokens.ACCESS, tokens.REFRESH)
@api.validate(resp=responses(401, HTTP_204=None), security=BEARER, tags=TAGS)
def logout(caller: Caller) -> tuple[str, int]:
    """End this login: its access and refresh tokens are dead. Takes either of them as Bearer."""
    with logins.account_change(caller.user.id) as user:
        logins.revoke(user, "logout", only=caller.claims.login_id)
        audit.record(audit.LOGOUT, user.id, login_id=caller.claims.login_id)
    blacklist(caller)
    return "", 204


@blueprint.post("/logout-all")
@authenticated()
@api.validate(resp=responses(401, HTTP_204=None), security=BEARER, tags=TAGS)
def logout_all(caller: Caller) -> tuple[str, int]:
    """End every login of this user."""
    with logins.account_change(caller.user.id) as user:
        logins.revoke(user, "logout_all")
        audit.record(audit.LOGOUT_ALL, user.id, login_id=caller.claims.login_id)
    blacklist(caller)
    return "", 204


@blueprint.get("/logins")
@authenticated()
@api.validate(resp=responses(401, HTTP_200=LoginListDocument), security=BEARER, tags=TAGS)
def list_logins(caller: Caller) -> Response:
    """List the devices that are logged in, last used first."""
    rows = [_login_document(row, caller.claims.login_id) for row in logins.listed(caller.user.id)]
    return jsonify(data=rows, next_cursor=None, has_more=False)


@blueprint.delete("/logins/<login_id>")
@authenticated()
@api.validate(resp=responses(401, 404, HTTP_204=None), security=BEARER, tags=TAGS)
def revoke_login(caller: Caller, login_id: str) -> tuple[str, int]:
    """Log a device out."""
    if not tokens.is_uuid(login_id):
        raise _no_such_login()
    with logins.account_change(caller.user.id) as user:
        # One that is dead already is not told to be so before every process has heard of it.
        is_alive = login_id in logins.alive(user.id)
        if is_alive:
            logins.revoke(user, "revoked", only=login_id)
            audit.record(audit.LOGIN_REVOKED, user.id, login_id=login_id)
    if not is_alive:
        raise _no_such_login()
    if login_id == caller.claims.login_id:
        blacklist(caller)
    return "", 204


def _begun(body: Credentials) -> tuple[User, Login, list[str]] | None:
    """Begin a login. Returns the user, the login and the ids of all that are alive; None if the password's hash was
    changed while we computed. Raises 401.
    """
    with passwords.turn():
        found = _verified(body)
        new_hash = passwords.hash_password(body.password) if passwords.needs_rehash(found.password_hash) else None
    with logins.account_change(found.id) as user:
        if not user.is_active:
            raise _wrong_credentials()
        if user.password_hash != found.password_hash:
            return None
        user.password_hash = new_hash or user.password_hash
        started = logins.start(user, *calling_device())
        audit.record(audit.LOGIN, user.id, login_id=started.id)
        alive = logins.alive(user.id)
    return user, started, alive


def _verified(body: Credentials) -> Row[str, str, bool]:
    """Return the account of these credentials. Raises 401.

    The password is verified before anything else is looked at, so that the time it takes does not tell who has an
    account.
    """
    query = select(User.id, User.password_hash, User.is_active).where(User.email == body.email)
    with read_connection() as connection:
        found = connection.execute(query).first()
    is_right = passwords.is_password(body.password, found.password_hash if found else None)
    if found is not None and is_right and found.is_active:
        return found
    count_failed_login(body.email)
    audit.record(audit.LOGIN_FAILED, found.id if found else None)
    db.session.commit()
    raise _wrong_credentials()


def _wrong_credentials() -> Unauthorized:
    return Unauthorized("E-mail address or password is wrong.", code="invalid_credentials", reason="")


def _no_such_login() -> NotFound:
    return NotFound("There is no such login.", code="login_not_found")


def _login_document(login: Login | Row[Any], current: str) -> dict[str, Any]:
    return {
        "id": login.id,
        "created_at": rfc3339(login.created_at),
        "last_used_at": rfc3339(login.last_used_at),
        "user_agent": login.user_agent,
        "ip": login.ip,
        "current": login.id == current,
    }
