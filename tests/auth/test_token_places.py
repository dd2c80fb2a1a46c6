"""A token counts in `Authorization: Bearer`, once, and nowhere else."""

from collections.abc import Callable

import pytest

from tests.shared.answers import assert_refused
from tests.shared.gate import Gate

Headers = list[tuple[str, str]]
Present = Callable[[str], Headers]

HEADERS: dict[str, Present] = {
    "no Authorization": lambda token: [],
    "empty": lambda token: [("Authorization", "")],
    "the scheme alone": lambda token: [("Authorization", "Bearer")],
    "the scheme and spaces": lambda token: [("Authorization", "Bearer    ")],
    "the token alone": lambda token: [("Authorization", token)],
    "Basic": lambda token: [("Authorization", f"Basic {token}")],
    "Token": lambda token: [("Authorization", f"Token {token}")],
    "JWT": lambda token: [("Authorization", f"JWT {token}")],
    "Digest": lambda token: [("Authorization", f"Digest {token}")],
    "DPoP": lambda token: [("Authorization", f"DPoP {token}")],
    "a scheme that begins like Bearer": lambda token: [("Authorization", f"Bearer2 {token}")],
    "Bearer with a colon": lambda token: [("Authorization", f"Bearer: {token}")],
    "Bearer with an equals sign": lambda token: [("Authorization", f"Bearer={token}")],
    "no space after Bearer": lambda token: [("Authorization", f"Bearer{token}")],
    "a tab after Bearer": lambda token: [("Authorization", f"Bearer\t{token}")],
    "Bearer twice": lambda token: [("Authorization", f"Bearer Bearer {token}")],
    "a good and a bad token": lambda token: [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer x")],
    "a bad and a good token": lambda token: [("Authorization", "Bearer x"), ("Authorization", f"Bearer {token}")],
    "Basic and Bearer": lambda token: [("Authorization", "Basic eDp5"), ("Authorization", f"Bearer {token}")],
    "the same token twice": lambda token: [("Authorization", f"Bearer {token}")] * 2,
    "as a parameter of Bearer": lambda token: [("Authorization", f'Bearer token="{token}"')],
    "Proxy-Authorization": lambda token: [("Proxy-Authorization", f"Bearer {token}")],
    "X-Authorization": lambda token: [("X-Authorization", f"Bearer {token}")],
    "X-Access-Token": lambda token: [("X-Access-Token", token)],
    "X-Forwarded-User": lambda token: [("X-Forwarded-User", "admin"), ("X-Remote-User", "admin")],
    "the cookie of flask-jwt-extended": lambda token: [("Cookie", f"access_token_cookie={token}")],
    "another cookie": lambda token: [("Cookie", f"Authorization=Bearer {token}; token={token}; session={token}")],
}


@pytest.mark.parametrize("present", HEADERS.values(), ids=HEADERS.keys())
def test_a_good_token_in_a_wrong_header_is_no_token(gate: Gate, present: Present) -> None:
    gate.refuses_headers(present(gate.carol.tokens["access_token"]))


@pytest.mark.parametrize("name", ["access_token", "token", "jwt", "authorization", "Authorization", "bearer"])
def test_a_good_token_in_the_query_is_no_token(gate: Gate, name: str) -> None:
    token = gate.carol.tokens["access_token"]
    gate.refuses_headers([], query=f"?{name}={token}")
    gate.refuses_headers([], query=f"?{name}=Bearer%20{token}")


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout", "/auth/logout-all"])
def test_a_good_token_in_the_body_is_no_token(gate: Gate, path: str) -> None:
    tokens = gate.carol.tokens
    for kind in ("access_token", "refresh_token"):
        for body in ({kind: tokens[kind]}, {"token": tokens[kind]}):
            assert_refused(gate.carol.client.post(f"/api/v1{path}", json=body), code="token_missing")
            assert_refused(gate.carol.client.post(f"/api/v1{path}", data=body), code="token_missing")
    gate.opens(tokens["access_token"])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_name_of_the_scheme_may_be_in_any_case(gate: Gate, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {gate.carol.tokens['access_token']}"}
    for path in gate.paths:
        assert gate.carol.get(path, headers=headers).status_code == 200


def test_who_comes_without_a_token_is_told_the_scheme_and_no_error(gate: Gate) -> None:
    answer = gate.carol.client.get("/api/v1/users/me")
    assert_refused(answer, code="token_missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_who_comes_with_a_bad_token_is_told_the_error(gate: Gate) -> None:
    answer = gate.carol.get("/users/me", token="a.b.c")
    assert_refused(answer, code="token_invalid")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
