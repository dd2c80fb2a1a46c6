"""Tokens: their claims, how they are issued, and how they are verified.

Claims: iss aud sub login jti type iat nbf exp, in refresh tokens also `generation`. No personal data and no role: what
somebody may do is read from their account with each request. The header's `kid` names the key.
"""

import hashlib
import re
import threading
import time
from datetime import timedelta
from typing import Any

from flask import Flask, current_app
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import ExpiredSignatureError, InvalidTokenError

from webapp.auth.guard import Claims
from webapp.config import settings
from webapp.http.errors import Unauthorized
from webapp.models import Login, is_id

jwt = JWTManager()

ALGORITHM = "HS256"
ISSUER = AUDIENCE = "driving-sessions"
ACCESS, REFRESH = "access", "refresh"

CLOCKS_DIFFER_BY_S = 60
"""How far the clocks of two machines may be apart, in s: a token that another one has just issued is good here. Nothing
is added to a token's life by it.
"""

MAX_TOKEN_LENGTH = 2048
TOKEN_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""Three parts in base64url. PyJWT skips any other character in the signature, so that one token could be written in
endless ways and fill the memory of verified ones.
"""
MAX_REMEMBERED = 10_000
"""How many verified tokens a process remembers; about 1 KiB each."""


class VerifiedTokens:
    """Tokens whose signature was verified in this process, by their exact characters.

    Only the signature and the form of the claims are remembered. Expiry is checked at each use, and whether the login
    is still alive is the guard's business at each request.
    """

    def __init__(self, size: int = MAX_REMEMBERED) -> None:
        self._claims: dict[str, Claims] = {}
        self._size = size
        self._lock = threading.Lock()

    def get(self, encoded: str) -> Claims | None:
        """Return the claims of a token that was verified before and has not expired."""
        claims = self._claims.get(encoded)
        return claims if claims is not None and claims.expires_at > time.time() else None

    def remember(self, encoded: str, claims: Claims) -> None:
        """Remember a verified token, in place of the one remembered longest when there are too many."""
        with self._lock:
            self._claims[encoded] = claims
            while len(self._claims) > self._size:
                del self._claims[next(iter(self._claims))]


def init_app(app: Flask) -> None:
    """Set flask-jwt-extended up: one algorithm, one place for the token, issuer and audience checked."""
    given = settings(app)
    app.config.update(
        JWT_SECRET_KEY=given.jwt_secret_key,
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_TOKEN_LOCATION=["headers"],
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_LEEWAY=CLOCKS_DIFFER_BY_S,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=given.access_token_expire_minutes),
        JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=given.refresh_token_expire_days),
        JWT_COOKIE_CSRF_PROTECT=False,  # No cookies, so no claim for them.
    )
    jwt.init_app(app)
    app.extensions["verified_tokens"] = VerifiedTokens()


def verified_tokens(app: Flask) -> VerifiedTokens:
    """Return the tokens that an application has verified."""
    verified: VerifiedTokens = app.extensions["verified_tokens"]
    return verified


def key_id(secret: str) -> str:
    """Name a key without telling it: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


@jwt.decode_key_loader
def _key_for(header: dict[str, Any], claims: dict[str, Any]) -> str:
    if "type" not in claims:
        raise InvalidTokenError("no type")  # flask-jwt-extended would take it for an access token.
    for secret in settings().jwt_secrets:
        if header.get("kid") == key_id(secret):
            return secret
    raise InvalidTokenError("unknown key")


def issue(login: Login) -> dict[str, Any]:
    """Make the pair of tokens of a login's present generation, in the form of the contract."""
    headers = {"kid": key_id(settings().jwt_secret_key)}
    claims = {"login": login.id}
    return {
        "access_token": create_access_token(login.user_id, additional_claims=claims, additional_headers=dict(headers)),
        "refresh_token": create_refresh_token(
            login.user_id,
            additional_claims={**claims, "generation": login.generation},
            additional_headers=dict(headers),
        ),
        "token_type": "Bearer",
        "expires_in": settings().access_token_expire_minutes * 60,
        "refresh_expires_in": settings().refresh_token_expire_days * 86_400,
    }


def verify(encoded: str) -> Claims:
    """Return the claims of a token: signature, form, issuer, audience and times are good. Raises 401 otherwise."""
    remembered = verified_tokens(current_app)
    claims = remembered.get(encoded)
    if claims is None:
        claims = _decode(encoded)
        remembered.remember(encoded, claims)
    return claims


def _decode(encoded: str) -> Claims:
    if len(encoded) > MAX_TOKEN_LENGTH or not TOKEN_FORM.fullmatch(encoded):
        raise _invalid()
    try:
        payload = decode_token(encoded)
    except ExpiredSignatureError:
        raise _expired() from None
    except (InvalidTokenError, JWTExtendedException, ValueError, TypeError):
        raise _invalid() from None
    claims = _claims_of(payload)
    if claims.expires_at <= time.time():  # PyJWT's leeway, which is for iat and nbf, lengthens the life of a token too.
        raise _expired()
    return claims


def _claims_of(payload: dict[str, Any]) -> Claims:
    """Take the claims out of a payload; each must be there and of its type. PyJWT asks for none of them by itself."""
    user_id, login_id, jti, kind = (payload.get(name) for name in ("sub", "login", "jti", "type"))
    expires_at, generation = payload.get("exp"), payload.get("generation")
    is_whole = (
        payload.get("aud") == AUDIENCE
        and all(is_id(value) for value in (user_id, login_id, jti))
        and kind in (ACCESS, REFRESH)
        and all(_is_count(payload.get(name)) for name in ("exp", "iat", "nbf"))
        and (_is_count(generation) if kind == REFRESH else generation is None)
    )
    if not is_whole:
        raise _invalid()
    return Claims(str(user_id), str(login_id), str(jti), str(kind), int(expires_at or 0), generation)


def _is_count(value: object) -> bool:
    """Say whether it is a whole number that the database, Redis and a float can hold."""
    return type(value) is int and 0 <= value < 2**53


def _expired() -> Unauthorized:
    return Unauthorized("The token has expired.", code="token_expired")


def _invalid() -> Unauthorized:
    return Unauthorized("The token is not valid.", code="token_invalid")
