"""Logging in, staying logged in, and logging out."""

from flask import Blueprint, Response, jsonify

from webapp.auth import logins, tokens
from webapp.auth.credentials import log_in as begin_login
from webapp.auth.devices import blacklist, calling_device, logged_in
from webapp.auth.endpoint import endpoint
from webapp.auth.guard import Caller
from webapp.auth.limits import limit_login
from webapp.auth.schemas import Credentials, LoginDocument, LoginListDocument, TokensDocument
from webapp.database import db
from webapp.http.errors import NotFound
from webapp.http.json import document
from webapp.models import is_id

blueprint = Blueprint("auth", __name__, url_prefix="/api/v1/auth")
TAG = "Auth"


@blueprint.post("/login")
@endpoint(TokensDocument, 401, tag=TAG)
def log_in(json: Credentials) -> Response:
    """Log in: a new login with its own tokens."""
    limit_login(json.email)
    begun = begin_login(json, *calling_device())
    db.session.commit()
    return logged_in(*begun)


@blueprint.post("/refresh")
@endpoint(TokensDocument, tag=TAG, tokens=(tokens.REFRESH,))
def refresh_tokens(caller: Caller) -> Response:
    """Exchange a refresh token (sent as Bearer) for new tokens. Each refresh token is good once, and 10 s longer for
    who did not get the answer; an older one ends the login.
    """
    login = logins.rotate(caller)
    db.session.commit()
    return jsonify(tokens.issue(login))


@blueprint.post("/logout")
@endpoint({204: None}, tag=TAG, tokens=(tokens.ACCESS, tokens.REFRESH))
def log_out(caller: Caller) -> tuple[str, int]:
    """End this login: its access and refresh tokens are dead. Takes either of them as Bearer."""
    logins.log_out(caller)
    db.session.commit()
    blacklist(caller)
    return "", 204


@blueprint.post("/logout-all")
@endpoint({204: None}, tag=TAG)
def log_out_everywhere(caller: Caller) -> tuple[str, int]:
    """End every login of this user."""
    logins.log_out_everywhere(caller)
    db.session.commit()
    blacklist(caller)
    return "", 204


@blueprint.get("/logins")
@endpoint(LoginListDocument, tag=TAG)
def list_logins(caller: Caller) -> Response:
    """List the devices that are logged in, last used first."""
    current = caller.claims.login_id
    rows = [document(LoginDocument, row, current=row.id == current) for row in logins.listed(caller.user.id)]
    return jsonify(data=rows, next_cursor=None, has_more=False)


@blueprint.delete("/logins/<login_id>")
@endpoint({204: None}, tag=TAG)
def revoke_login(caller: Caller, login_id: str) -> tuple[str, int]:
    """Log a device out."""
    was_alive = is_id(login_id) and logins.end(caller, login_id)
    db.session.commit()
    if not was_alive:
        raise NotFound("There is no such login.", code="login_not_found")
    if login_id == caller.claims.login_id:
        blacklist(caller)
    return "", 204
