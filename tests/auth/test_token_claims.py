"""Tokens with our signature and claims that we would never write: each must be there, of its type and its value."""

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from jwt import api_jwt

from tests.auth.forgery import claims_of, minted
from tests.shared.answers import assert_refused
from tests.shared.gate import Gate

MISSING = object()
WRONG_TYPES: dict[str, Any] = {
    "missing": MISSING,
    "null": None,
    "empty": "",
    "a number": 7,
    "true": True,
    "an object": {"value": "x"},
    "an empty list": [],
}
WRONG_TIMES: dict[str, Any] = {
    "missing": MISSING,
    "null": None,
    "empty": "",
    "true": True,
    "an object": {"value": 1},
    "a list": [2_000_000_000],
    "a word": "soon",
    "digits in a string": "2000000000",
    "a fraction": 2_000_000_000.5,
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "not a number": float("nan"),
    "a number of 400 digits": 10**400,
    "minus a number of 400 digits": -(10**400),
    "beyond 64 bits": 2**64,
    "negative": -1,
}
OF_UUIDS: dict[str, Any] = {
    "somebody's who never was": str(uuid4()),
    "in a list": lambda value: [value],
    "in capitals": str.upper,
    "in braces": lambda value: f"{{{value}}}",
    "without hyphens": lambda value: value.replace("-", ""),
    "as a URN": lambda value: f"urn:uuid:{value}",
    "with a space": lambda value: value + " ",
    "with a wildcard": lambda value: value[:-1] + "*",
    "with a quote": lambda value: value + "' OR '1'='1",
    "with a NUL": lambda value: value + "\0",
}
OF_NAMES: dict[str, Any] = {
    "somebody else's": "another-service",
    "in a list": lambda value: [value],
    "in a list with another": lambda value: [value, "another-service"],
    "in capitals": str.upper,
    "with a space": lambda value: value + " ",
    "its beginning": lambda value: value[:7],
}
WRONG: dict[str, dict[str, Any]] = {
    "iss": {**WRONG_TYPES, **OF_NAMES},
    "aud": {**WRONG_TYPES, **OF_NAMES},
    "sub": {**WRONG_TYPES, **OF_UUIDS},
    "login": {**WRONG_TYPES, **OF_UUIDS},
    "jti": {**WRONG_TYPES, **OF_UUIDS},
    "type": {
        **WRONG_TYPES,
        "foo": "foo",
        "refresh": "refresh",
        "in capitals": "ACCESS",
        "with a space": "access ",
        "in a list": ["access"],
    },
    "iat": {**WRONG_TIMES, "in the future": lambda _: round(time.time()) + 3600},
    "nbf": {**WRONG_TIMES, "in the future": lambda _: round(time.time()) + 3600},
    "exp": {**WRONG_TIMES, "in the past": lambda _: round(time.time()) - 1, "zero": 0},
    "generation": {"zero": 0, "one": 1, "null is as good as absent, but not this": "1"},
}
# A `jti` that is a UUID but not the one that we wrote is one that we might have written.
del WRONG["jti"]["somebody's who never was"]


def changed(claims: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    if value is MISSING:
        return {key: kept for key, kept in claims.items() if key != name}
    return {**claims, name: value(claims[name]) if callable(value) else value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}: {what}")
        for name, values in WRONG.items()
        for what, value in values.items()
    ],
)
def test_an_access_token_with_an_odd_claim_is_refused(gate: Gate, name: str, value: Any) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    gate.opens(minted(claims))
    gate.refuses(minted(changed(claims, name, value)))


GENERATIONS: dict[str, Any] = {
    **{what: value for what, value in WRONG_TIMES.items() if what != "negative"},
    "in a string": "1",
}


@pytest.mark.parametrize("value", GENERATIONS.values(), ids=GENERATIONS.keys())
def test_a_refresh_token_with_an_odd_generation_is_refused(gate: Gate, value: Any) -> None:
    claims = claims_of(gate.carol.tokens["refresh_token"])
    token = minted(changed(claims, "generation", value))
    assert_refused(gate.carol.post("/auth/refresh", token=token), code="token_invalid")
    gate.opens(gate.carol.tokens["access_token"])


def test_an_expired_token_is_told_so(gate: Gate) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    gate.refuses(minted({**claims, "exp": round(time.time()) - 1}), code="token_expired")


def test_a_token_is_refused_once_it_expires_however_often_it_was_accepted(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    token = minted({**claims, "exp": round(time.time()) + 100})
    gate.opens(token)
    later = datetime.now(UTC) + timedelta(seconds=101)
    monkeypatch.setattr(time, "time", later.timestamp)
    monkeypatch.setattr(api_jwt, "datetime", SimpleNamespace(now=lambda tz: later))
    gate.refuses(token, code="token_expired")


@pytest.mark.parametrize("ahead_s", [2, 55])
def test_a_token_of_a_clock_that_is_ahead_is_good(gate: Gate, ahead_s: int) -> None:
    claims, now = claims_of(gate.carol.tokens["access_token"]), round(time.time())
    gate.opens(minted({**claims, "iat": now + ahead_s, "nbf": now + ahead_s}))


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_clock_that_is_more_than_a_minute_ahead_is_not_believed(gate: Gate, claim: str) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    gate.refuses(minted({**claims, claim: round(time.time()) + 90}), code="token_invalid")


@pytest.mark.parametrize("expired_for_s", [0, 1, 30, 59, 61])
def test_what_is_forgiven_of_a_clock_lengthens_no_life(gate: Gate, expired_for_s: int) -> None:
    claims, now = claims_of(gate.carol.tokens["access_token"]), int(time.time())
    gate.refuses(minted({**claims, "exp": now - expired_for_s}), code="token_expired")
    refresh = claims_of(gate.carol.tokens["refresh_token"])
    expired = minted({**refresh, "exp": now - expired_for_s})
    assert_refused(gate.carol.post("/auth/refresh", token=expired), code="token_expired")


def test_of_a_claim_that_stands_twice_one_is_taken_everywhere(gate: Gate) -> None:
    own = json.dumps(claims_of(gate.mallory.tokens["access_token"]))
    token = minted(f'{{"sub": "{gate.carol.id}", {own[1:]}'.encode())
    answer = gate.mallory.get("/users/me", token=token)
    assert (answer.status_code, answer.json["id"]) == (200, gate.mallory.id)
    assert gate.mallory.get(gate.paths[1], token=token).status_code == 404


def test_mallorys_login_does_not_speak_for_carol(gate: Gate) -> None:
    claims = claims_of(gate.mallory.tokens["access_token"])
    gate.refuses(minted({**claims, "sub": gate.carol.id}), code="token_revoked")


def test_carols_login_does_not_speak_for_mallory(gate: Gate) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    gate.refuses(minted({**claims, "sub": gate.mallory.id}), code="token_revoked")


def test_a_login_is_not_a_user(gate: Gate) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    gate.refuses(minted({**claims, "sub": claims["login"], "login": claims["sub"]}), code="token_revoked")


def test_a_refresh_token_does_not_read(gate: Gate) -> None:
    gate.refuses(gate.carol.tokens["refresh_token"], code="token_wrong_type")


def test_an_access_token_does_not_refresh(gate: Gate) -> None:
    answer = gate.carol.post("/auth/refresh", token=gate.carol.tokens["access_token"])
    assert_refused(answer, code="token_wrong_type")


def test_a_role_in_a_token_gives_no_role(gate: Gate) -> None:
    claims = claims_of(gate.carol.tokens["access_token"])
    answer = gate.carol.get("/admin/users", token=minted({**claims, "role": "admin", "is_admin": True}))
    assert answer.status_code == 403


def test_tokens_hold_no_personal_data_and_no_role(gate: Gate) -> None:
    common = {"iss", "aud", "sub", "login", "jti", "type", "iat", "nbf", "exp"}
    assert claims_of(gate.carol.tokens["access_token"]).keys() == common | {"fresh"}
    assert claims_of(gate.carol.tokens["refresh_token"]).keys() == common | {"fresh", "generation"}
