"""The device that calls: what is noted of it, what it is given when it is logged in, and the fast no to its token."""

import time

from flask import Response, jsonify, request

from webapp.auth import tokens
from webapp.auth.cached_users import USERS
from webapp.auth.guard import Caller
from webapp.cache import fills, warm_requests
from webapp.cache.blacklist import blacklist_token
from webapp.models import Login, User


def calling_device() -> tuple[str | None, str | None]:
    """Return the user agent and the address of who calls, as they are noted with a login."""
    # Shown to the user later, and stored: PostgreSQL refuses NUL, and a terminal would obey an escape sequence.
    agent = "".join(filter(str.isprintable, request.headers.get("User-Agent", "")))
    return agent[:256] or None, request.remote_addr


def logged_in(user: User, login: Login) -> Response:
    """Answer with the tokens of a new login, and have its first reads find the cache filled."""
    fills.fill_if_possible(USERS, user.id)
    warm_requests.ask_for_first_reads(user.id)
    return jsonify(tokens.issue(login))


def blacklist(caller: Caller) -> None:
    """Refuse the token at hand from now on without asking for its login."""
    blacklist_token(caller.claims.jti, (caller.claims.expires_at - time.time()) / 60)
