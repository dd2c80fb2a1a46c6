"""A token that was logged out, written in another way: what still verifies has the same `jti` and the same login."""

import base64
from collections.abc import Callable, Iterator

import pytest

from testbed.people import Person
from tests.shared.answers import assert_refused
from tests.shared.gate import Gate

Rewrite = Callable[[str], str]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def of_signature(rewrite: Rewrite) -> Rewrite:
    """Rewrite the last part only."""
    return lambda token: f"{token.rpartition('.')[0]}.{rewrite(token.rpartition('.')[2])}"


def of_every_part(rewrite: Rewrite) -> Rewrite:
    return lambda token: ".".join(rewrite(part) for part in token.split("."))


def unused_bits(step: int) -> Rewrite:
    """Change the two bits of the last letter that no byte comes from."""
    return lambda part: part[:-1] + ALPHABET[ALPHABET.index(part[-1]) // 4 * 4 + (ALPHABET.index(part[-1]) + step) % 4]


def standard_alphabet(part: str) -> str:
    return part.replace("-", "+").replace("_", "/")


VARIANTS: dict[str, Rewrite] = {
    "as it was": lambda token: token,
    "padded with =": lambda token: token + "=",
    "padded with ==": lambda token: token + "==",
    "padded with ====": lambda token: token + "====",
    "every part padded": of_every_part(lambda part: part + "=" * (-len(part) % 4)),
    "the header padded": lambda token: token.replace(".", "=.", 1),
    "padded in the middle of the signature": of_signature(lambda part: part[:20] + "==" + part[20:]),
    "unused bits of the signature: 1": of_signature(unused_bits(1)),
    "unused bits of the signature: 2": of_signature(unused_bits(2)),
    "unused bits of the signature: 3": of_signature(unused_bits(3)),
    "the signature in the standard alphabet": of_signature(standard_alphabet),
    "every part in the standard alphabet": of_every_part(standard_alphabet),
    "with letters that base64 skips": of_signature(lambda part: part[:10] + "!*$" + part[10:]),
    "with a space in the signature": of_signature(lambda part: part[:10] + " " + part[10:]),
    "with a tab in the signature": of_signature(lambda part: part[:10] + "\t" + part[10:]),
    "with a no-break space": of_signature(lambda part: part + "\xa0"),
    "with a NUL": lambda token: token + "\0",
    "with a space before": lambda token: " " + token,
    "with spaces after": lambda token: token + "   ",
    "with a dot after": lambda token: token + ".",
    "with a dot before": lambda token: "." + token,
    "with a fourth part": lambda token: token + ".e30",
    "with a comma": lambda token: token + ",",
    "in quotes": lambda token: f'"{token}"',
    "percent-encoded": lambda token: token.replace(".", "%2E"),
    "Bearer twice": lambda token: f"Bearer {token}",
    "the signature in capitals": of_signature(str.upper),
    "in capitals": str.upper,
    "the signature base64 twice": of_signature(lambda part: base64.urlsafe_b64encode(part.encode()).decode()),
    "twice": lambda token: f"{token} {token}",
    "cut by a letter": lambda token: token[:-1],
    "with a letter more": lambda token: token + "A",
    "with four letters more": lambda token: token + "AAAA",
}
STILL_GOOD = {"as it was", "with a space before", "with spaces after", "with a no-break space"}
"""The variants that are refused after the logout only. The others never were a token."""


@pytest.fixture(scope="module")
def logged_out(gate: Gate) -> Iterator[Person]:
    """Mallory, whose tokens were good and in use in each of their variants, and are no more."""
    mallory = Person(gate.app.test_client(), gate.mallory.email)
    mallory.log_in()
    for kind in ("access_token", "refresh_token"):
        for what, rewrite in VARIANTS.items():
            variant = rewrite(mallory.tokens[kind])
            is_good = kind == "access_token" and (what in STILL_GOOD or variant == mallory.tokens[kind])
            assert mallory.get("/users/me", token=variant).status_code == (200 if is_good else 401), what
    assert mallory.post("/auth/logout").status_code == 204
    yield mallory


@pytest.mark.parametrize("rewrite", VARIANTS.values(), ids=VARIANTS.keys())
def test_no_variant_of_a_token_outlives_its_logout(gate: Gate, logged_out: Person, rewrite: Rewrite) -> None:
    gate.refuses(rewrite(logged_out.tokens["access_token"]))
    refresh_token = rewrite(logged_out.tokens["refresh_token"])
    assert_refused(logged_out.post("/auth/refresh", token=refresh_token))
    assert_refused(logged_out.post("/auth/logout", token=refresh_token))
