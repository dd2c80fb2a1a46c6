"""Tokens that nobody of ours has signed: algorithms, keys, key ids, and what only looks like a token."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.auth.forgery import HEADER, base64url, claims_of, minted, signing_input
from tests.conftest import SECRET
from tests.shared.gate import Gate
from webapp.auth.tokens import key_id

OTHER_SECRET = "another-secret-0123456789-abcdefghijklmnop"
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf
9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==
-----END PUBLIC KEY-----
"""
Claims = dict[str, Any]


def unsigned(alg: object, signature: str = "") -> Callable[[Claims], str]:
    return lambda claims: f"{signing_input(claims, {**HEADER, 'alg': alg})}.{signature}"


def signature_of_another_token(claims: Claims) -> str:
    return f"{signing_input({**claims, 'sub': claims['jti']})}.{minted(claims).rpartition('.')[2]}"


def embedded_key(claims: Claims) -> str:
    jwk = {"kty": "oct", "k": base64url(OTHER_SECRET.encode())}
    return minted(claims, {**HEADER, "jwk": jwk}, secret=OTHER_SECRET)


def key_from(header: str) -> Callable[[Claims], str]:
    return lambda claims: minted(claims, {**HEADER, header: "http://127.0.0.1:1/key"}, secret=OTHER_SECRET)


FORGERIES: dict[str, Callable[[Claims], str]] = {
    "alg none, no signature": unsigned("none"),
    "alg None": unsigned("None"),
    "alg NONE": unsigned("NONE"),
    "alg nOnE": unsigned("nOnE"),
    "alg none with the signature of HS256": lambda claims: minted(claims, {**HEADER, "alg": "none"}),
    "alg empty": unsigned(""),
    "alg null": unsigned(None),
    "alg a number": unsigned(256),
    "alg a list": unsigned(["HS256"]),
    "alg an object": unsigned({"HS256": 1}),
    "alg missing": lambda claims: minted(claims, {"typ": "JWT", "kid": HEADER["kid"]}),
    "alg in lower case": lambda claims: minted(claims, {**HEADER, "alg": "hs256"}),
    "HS384 with our key": lambda claims: minted(claims, {**HEADER, "alg": "HS384"}, digest="HS384"),
    "HS512 with our key": lambda claims: minted(claims, {**HEADER, "alg": "HS512"}, digest="HS512"),
    "HS256 that says HS512": lambda claims: minted(claims, {**HEADER, "alg": "HS512"}),
    "RS256": unsigned("RS256", base64url(b"x" * 256)),
    "RS256 with the signature of HS256": lambda claims: minted(claims, {**HEADER, "alg": "RS256"}),
    "HS256 with a public RSA key as the secret": lambda claims: minted(claims, secret=PUBLIC_PEM),
    "ES256": unsigned("ES256", base64url(b"x" * 64)),
    "PS256": unsigned("PS256", base64url(b"x" * 256)),
    "EdDSA": unsigned("EdDSA", base64url(b"x" * 64)),
    "signed with another secret": lambda claims: minted(claims, secret=OTHER_SECRET),
    "signed with an empty secret": lambda claims: minted(claims, secret=""),
    "signed with the key id": lambda claims: minted(claims, secret=key_id(SECRET)),
    "signed with the secret in capitals": lambda claims: minted(claims, secret=SECRET.upper()),
    "signed with a well-known secret": lambda claims: minted(claims, secret="secret"),
    "signature left out": lambda claims: signing_input(claims) + ".",
    "signature of zeros": lambda claims: f"{signing_input(claims)}.{base64url(bytes(32))}",
    "signature cut short": lambda claims: minted(claims)[:-4],
    "signature of another token": signature_of_another_token,
    "the key comes along as jwk": embedded_key,
    "the key is to be fetched from jku": key_from("jku"),
    "the key is to be fetched from x5u": key_from("x5u"),
    "unencoded payload (b64 false)": lambda claims: minted(claims, {**HEADER, "b64": False, "crit": ["b64"]}),
    "an unknown critical header": lambda claims: minted(claims, {**HEADER, "crit": ["exp-is-ignored"]}),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_token_is_refused(gate: Gate, forge: Callable[[Claims], str]) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    gate.opens(minted(claims))
    gate.refuses(forge(claims), code="token_invalid")


KEY_IDS: dict[str, object] = {
    "null": None,
    "empty": "",
    "unknown": "00000000",
    "another secret's": key_id(OTHER_SECRET),
    "a number": 1,
    "a list": [key_id(SECRET)],
    "an object": {"kid": key_id(SECRET)},
    "a path": "../../../../dev/null",
    "a path to an empty file": "/dev/null",
    "a path to a known file": "/etc/hostname",
    "a URL": "http://127.0.0.1:1/key",
    "SQL": "x' UNION SELECT 'secret' --",
    "a shell command": "$(id)",
    "NUL": "\0",
    "ours and a space": key_id(SECRET) + " ",
    "ours in capitals": key_id(SECRET).upper(),
    "very long": "k" * 1000,
}


@pytest.mark.parametrize("key", KEY_IDS.values(), ids=KEY_IDS.keys())
@pytest.mark.parametrize("secret", [SECRET, ""], ids=["signed with our key", "signed with an empty key"])
def test_a_token_whose_kid_is_not_ours_is_refused(gate: Gate, key: object, secret: str) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    gate.refuses(minted(claims, {**HEADER, "kid": key}, secret=secret), code="token_invalid")


def test_a_token_without_a_kid_is_refused(gate: Gate) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    gate.refuses(minted(claims, {"alg": "HS256", "typ": "JWT"}), code="token_invalid")


JUNK: dict[str, str] = {
    "one dot": ".",
    "two dots": "..",
    "three dots": "...",
    "words": "a.b.c",
    "null": "null",
    "undefined": "undefined",
    "an empty object": "{}",
    "not base64": "!!!.???.***",
    "a header of one bracket": base64url(b"{") + ".e30.x",
    "a header that is a list": base64url(b"[]") + ".e30.x",
    "a header that is a string": base64url(b'"HS256"') + ".e30.x",
    "a header that is null": base64url(b"null") + ".e30.x",
    "a header nested deeply": base64url(b"[" * 1400) + ".e30.x",
    "a payload nested deeply": base64url(b'{"alg": 1}') + f".{base64url(b'[' * 1300)}.x",
    "a header that is not UTF-8": base64url(b"\xff\xfe{}") + ".e30.x",
    "a payload that is a list": signing_input(b"[]") + ".x",
    "a payload that is a number": signing_input(b"1") + ".x",
    "a payload that is null": signing_input(b"null") + ".x",
    "a payload that is not JSON": signing_input(b"sub=1") + ".x",
    "a payload that is not UTF-8": signing_input(b'{"sub": "\xff"}') + ".x",
    "a payload nested deeply, under our header": signing_input(b'{"a":' + b"[" * 1200) + ".x",
    "a payload with a huge number": signing_input(b'{"exp": ' + b"9" * 1300 + b"}") + ".x",
    "an encrypted token": ".".join(base64url(b"part") for _ in range(5)),
    "longer than is read": "a" * 100_000,
    "letters beyond ASCII": "é.é.é",
    "a NUL": "\0.\0.\0",
}


@pytest.mark.parametrize("token", JUNK.values(), ids=JUNK.keys())
def test_what_is_no_token_is_refused(gate: Gate, token: str) -> None:
    gate.refuses(token, code="token_invalid")


SIGNED_JUNK: dict[str, bytes] = {
    "a list": b"[]",
    "a string": b'"sub"',
    "null": b"null",
    "empty": b"",
    "not JSON": b"sub=1",
    "an empty object": b"{}",
    "nested deeply": b'{"sub":' + b"[" * 1100 + b"]" * 200 + b"}",
}


@pytest.mark.parametrize("payload", SIGNED_JUNK.values(), ids=SIGNED_JUNK.keys())
def test_our_signature_under_a_payload_that_is_none_is_refused(gate: Gate, payload: bytes) -> None:
    gate.refuses(minted(payload), code="token_invalid")
