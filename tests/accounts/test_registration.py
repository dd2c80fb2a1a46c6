"""One person is one account, however the address is written and however many try at once."""

import pytest
from flask import Flask
from sqlalchemy import func, select

from testbed.people import PASSWORD
from tests.shared.answers import assert_client_error, assert_problem
from tests.shared.attacked import MakeApp
from tests.shared.crowd import all_at_once
from webapp.database import read_connection
from webapp.models import User

ADDRESS = "anna.müller@bücher.example"


def registration(email: str, **others: object) -> dict[str, object]:
    return {"email": email, "password": PASSWORD, "full_name": "Anna", **others}


def accounts(app: Flask) -> int:
    with app.app_context(), read_connection() as connection:
        return int(connection.scalar(select(func.count()).select_from(User)))


def test_of_twenty_registrations_at_once_one_is_made(app: Flask, make_app: MakeApp) -> None:
    places = [app, make_app()] * 10
    body = registration("alice@example.com")
    answers = all_at_once(
        [lambda place=place: place.test_client().post("/api/v1/auth/register", json=body) for place in places]
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert accounts(app) == 1
    assert (
        app.test_client()
        .post("/api/v1/auth/login", json={"email": "alice@example.com", "password": PASSWORD})
        .status_code
        == 200
    )


VARIANTS = {
    "as it was": ADDRESS,
    "in capitals": ADDRESS.upper(),
    "the domain in capitals": ADDRESS.replace("bücher.example", "BÜCHER.Example"),
    "the domain in punycode": ADDRESS.replace("bücher", "xn--bcher-kva"),
    "the domain in punycode and capitals": ADDRESS.replace("bücher", "XN--BCHER-KVA"),
    "ü in two characters": ADDRESS.replace("ü", "u\u0308"),
    "ü in two characters, in capitals": ADDRESS.replace("ü", "U\u0308"),
    "letters of full width": ADDRESS.replace("example", "\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45"),
    "an ideographic full stop": ADDRESS.replace(".example", "\u3002example"),
    "a space before": " " + ADDRESS,
    "a space after": ADDRESS + " ",
    "a line end after": ADDRESS + "\n",
    "a tab before": "\t" + ADDRESS,
    "a no-break space after": ADDRESS + "\xa0",
    "a dot after": ADDRESS + ".",
    "in angle brackets": f"<{ADDRESS}>",
    "with a name": f"Anna <{ADDRESS}>",
    "with a comment": ADDRESS.replace("@", "(Anna)@"),
    "in quotes": f'"anna.müller"@{ADDRESS.partition("@")[2]}',
    "a zero-width space": ADDRESS.replace("anna", "an\u200bna"),
    "a soft hyphen": ADDRESS.replace("anna", "an\u00adna"),
    "a zero-width joiner in the domain": ADDRESS.replace("bücher", "bü\u200dcher"),
    "mailto": f"mailto:{ADDRESS}",
    "a NUL after": ADDRESS + "\0",
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_an_address_written_otherwise_makes_no_second_account(app: Flask, variant: str) -> None:
    client = app.test_client()
    assert client.post("/api/v1/auth/register", json=registration(ADDRESS)).status_code == 201
    assert_problem(client.post("/api/v1/auth/register", json=registration(variant)), 400, 409, 422)
    assert accounts(app) == 1


@pytest.mark.parametrize("variant", list(VARIANTS)[:9])
def test_the_account_is_found_by_each_way_to_write_its_address(app: Flask, variant: str) -> None:
    client = app.test_client()
    client.post("/api/v1/auth/register", json=registration(ADDRESS))
    answer = client.post("/api/v1/auth/login", json={"email": VARIANTS[variant], "password": PASSWORD})
    assert answer.status_code == 200


NO_ADDRESSES = {
    "empty": "",
    "no at": "alice.example.com",
    "no name": "@example.com",
    "no domain": "alice@",
    "two ats": "alice@b@example.com",
    "no dot in the domain": "alice@localhost",
    "an address in brackets": "alice@[127.0.0.1]",
    "two dots": "alice..b@example.com",
    "a header": "alice@example.com\r\nBcc: bob@example.com",
    "too long": "a" * 250 + "@example.com",
    "much too long": "a" * 100_000 + "@example.com",
    "of a right-to-left override": "alice\u202e@example.com",
    "SQL": "' OR 1=1 --",
    "a list": "alice@example.com,bob@example.com",
}


@pytest.mark.parametrize("email", NO_ADDRESSES.values(), ids=NO_ADDRESSES.keys())
@pytest.mark.parametrize("call", ["register", "login"])
def test_what_is_no_address_is_a_422(app: Flask, email: str, call: str) -> None:
    body = registration(email) if call == "register" else {"email": email, "password": PASSWORD}
    problem = assert_problem(app.test_client().post(f"/api/v1/auth/{call}", json=body), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/email"]


@pytest.mark.parametrize(
    "extra",
    [{"role": "admin"}, {"is_active": True}, {"id": "x"}, {"is_admin": 1}, {"version": 9}, {"password_hash": "x"}],
    ids=lambda extra: next(iter(extra)),
)
def test_nobody_gives_themselves_more_than_the_form_asks_for(app: Flask, extra: dict[str, object]) -> None:
    answer = app.test_client().post("/api/v1/auth/register", json=registration("alice@example.com", **extra))
    assert_client_error(answer)
    assert accounts(app) == 0


def test_who_registers_is_a_driver(app: Flask) -> None:
    answer = app.test_client().post("/api/v1/auth/register", json=registration("alice@example.com"))
    assert answer.json["role"] == "driver"
    assert answer.json.keys() == {"id", "email", "full_name", "role", "is_active", "created_at"}
