"""Making tokens by hand: any header, any payload, any signature. PyJWT refuses to write most of them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from tests.conftest import SECRET
from webapp.auth.tokens import key_id

HEADER = {"alg": "HS256", "typ": "JWT", "kid": key_id(SECRET)}
DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}

Part = Mapping[str, Any] | bytes


def base64url(raw: bytes) -> str:
    """Write bytes as the parts of a token are written (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    """Read the payload of a token."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def signing_input(payload: Part, header: Part = HEADER) -> str:
    """Return the two parts of a token that are signed."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
    return ".".join(base64url(part) for part in parts)


def minted(payload: Part, header: Part = HEADER, *, secret: str | bytes = SECRET, digest: str = "HS256") -> str:
    """Make a token that is signed with `secret`."""
    signed = signing_input(payload, header)
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signed}.{base64url(hmac.new(key, signed.encode(), DIGESTS[digest]).digest())}"
