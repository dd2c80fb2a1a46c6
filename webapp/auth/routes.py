"""The Auth table of the contract."""

import time

from flask import Blueprint, Response, current_app, jsonify, request
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.auth import logins, passwords, tokens
from webapp.auth.authenticate import authenticated
from webapp.auth.guard import Caller
from webapp.auth.schemas import Credentials, Registration, TokensDocument, UserChange, UserDocument
from webapp.cache import warming
from webapp.cache.blacklist import blacklist_token
from webapp.cache.users import cache_user_session, user_data, user_document
from webapp.database import read_connection
from webapp.extensions import db
from webapp.http.api import BEARER, PUBLIC, api, responses
from webapp.http.errors import Conflict, Unauthorized
from webapp.models import User

blueprint = Blueprint("auth", __name__, url_prefix="/api/v1")
TAGS = ("Auth",)


@blueprint.post("/auth/register")
@api.validate(json=Registration, resp=responses(400, 409, 413, 415, HTTP_201=UserDocument), security=PUBLIC, tags=TAGS)
def register() -> tuple[Response, int]:
    """Make an account."""
    body: Registration = request.context.json  # type: ignore[attr-defined]
    user = User(email=body.email, password_hash=passwords.hash_password(body.password), full_name=body.full_name)
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        raise Conflict("There is an account with this e-mail address.", code="email_taken") from None
    return jsonify(user_document(user)), 201


@blueprint.post("/auth/login")
@api.validate(json=Credentials, resp=responses(400, 401, 413, 415, HTTP_200=TokensDocument), security=PUBLIC, tags=TAGS)
def login() -> Response:
    """Log in: a new login with its own tokens."""
    body: Credentials = request.context.json  # type: ignore[attr-defined]
    with read_connection() as connection:
        found = connection.execute(
            select(User.id, User.password_hash, User.is_active).where(User.email == body.email)
        ).first()
    # The password is verified before anything else is looked at, so that time tells nothing of who has an account.
    is_right = passwords.is_password(body.password, found.password_hash if found else None)
    if found is None or not is_right or not found.is_active:
        raise _wrong_credentials()
    with logins.account_change(found.id) as user:
        if user.password_hash != found.password_hash or not user.is_active:
            raise _wrong_credentials()  # It was changed while we computed.
        if passwords.needs_rehash(user.password_hash):
            user.password_hash = passwords.hash_password(body.password)
        started = logins.start(user, *_device())
        alive = logins.alive(user.id)
    _prepare_first_reads(user, alive)
    return jsonify(tokens.issue(started))


@blueprint.post("/auth/refresh")
@authenticated(tokens.REFRESH)
@api.validate(resp=responses(401, HTTP_200=TokensDocument), security=BEARER, tags=TAGS)
def refresh(caller: Caller) -> Response:
    """Exchange a refresh token (sent as Bearer) for new tokens. Each refresh token is good once."""
    return jsonify(tokens.issue(logins.rotate(caller.claims)))


@blueprint.post("/auth/logout")
@authenticated(tokens.ACCESS, tokens.REFRESH)
@api.validate(resp=responses(401, HTTP_204=None), security=BEARER, tags=TAGS)
def logout(caller: Caller) -> tuple[str, int]:
    """End this login: its access and refresh tokens are dead. Takes either of them as Bearer."""
    with logins.account_change(caller.user.id) as user:
        logins.revoke(user, "logout", only=caller.claims.login_id)
    _blacklist(caller)
    return "", 204


@blueprint.post("/auth/logout-all")
@authenticated()
@api.validate(resp=responses(401, HTTP_204=None), security=BEARER, tags=TAGS)
def logout_all(caller: Caller) -> tuple[str, int]:
    """End every login of this user."""
    with logins.account_change(caller.user.id) as user:
        logins.revoke(user, "logout_all")
    _blacklist(caller)
    return "", 204


@blueprint.get("/users/me")
@authenticated()
@api.validate(resp=responses(401, HTTP_200=UserDocument), security=BEARER, tags=("Users",))
def me(caller: Caller) -> Response:
    """Return who is calling."""
    return jsonify(caller.user.document)


@blueprint.patch("/users/me")
@authenticated()
@api.validate(
    json=UserChange, resp=responses(400, 401, 413, 415, HTTP_200=UserDocument), security=BEARER, tags=("Users",)
)
def change_me(caller: Caller) -> Response:
    """Change the own account."""
    body: UserChange = request.context.json  # type: ignore[attr-defined]
    with logins.account_change(caller.user.id) as user:
        user.full_name = body.full_name
    return jsonify(user_document(user))


def _device() -> tuple[str | None, str | None]:
    agent = request.headers.get("User-Agent")
    return (agent[:256] if agent else None), request.remote_addr


def _prepare_first_reads(user: User, alive: list[str]) -> None:
    ttl_minutes: int = current_app.config["SETTINGS"].access_token_expire_minutes
    cache_user_session(user.id, user_data(user, alive), ttl_minutes)
    warming.ask_for_user(user.id)


def _blacklist(caller: Caller) -> None:
    blacklist_token(caller.claims.jti, (caller.claims.expires_at - time.time()) / 60)


def _wrong_credentials() -> Unauthorized:
    return Unauthorized("E-mail address or password is wrong.", code="invalid_credentials", reason="")
