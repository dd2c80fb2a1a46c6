"""A driver's account."""

from collections.abc import Callable

import pytest

from driveplayer.account import Account, Refused
from driveplayer.client import Client, ClientError
from tests.driveplayer.told import Told, problem

Tell = Callable[..., Told]

TOKENS = {"access_token": "a1", "refresh_token": "r1"}
NEW_TOKENS = {"access_token": "a2", "refresh_token": "r2"}


def test_an_account_that_is_there_already_will_do_with_its_password(client: Client) -> None:
    email, password = "carol@example.com", "correct horse battery"

    assert Account(client, email, password).register() is True
    again = Account(client, email, password)
    assert again.register() is False
    again.log_in()
    with pytest.raises(Refused, match=r"POST /api/v1/auth/login: 401 invalid_credentials: .* \(request \w+\)$"):
        Account(client, email, "another password").log_in()


def test_after_the_logout_the_real_application_refuses_both_tokens(account: Account) -> None:
    assert account.call("GET", "/users/me").status == 200
    account.log_out()
    with pytest.raises(Refused, match="401 token_revoked"):
        account.call("GET", "/users/me")


@pytest.mark.parametrize(
    ("answers", "token"),
    [([204, 200], "access_token"), ([204, problem(401, "token_revoked"), 200], "refresh_token")],
)
def test_a_token_that_outlives_its_logout_is_noticed(told: Tell, answers: list[object], token: str) -> None:
    with Client(told((200, TOKENS), *answers).url) as client:
        account = Account(client)
        account.log_in()
        with pytest.raises(ClientError, match=f"the {token} should be refused after the logout"):
            account.log_out()


def test_an_access_token_that_expired_is_renewed_once_and_the_call_repeated(told: Tell) -> None:
    expired = problem(401, "token_expired")
    server = told((200, TOKENS), expired, (200, NEW_TOKENS), 200, 200)
    with Client(server.url) as client:
        account = Account(client)
        account.log_in()
        assert account.call("GET", "/users/me").status == 200
        assert account.call("GET", "/users/me").status == 200

    bearers = [asked.headers.get("Authorization") for asked in server.asked[1:]]
    assert bearers == ["Bearer a1", "Bearer r1", "Bearer a2", "Bearer a2"]


def test_a_refusal_says_in_one_line_what_is_wrong(client: Client) -> None:
    with pytest.raises(Refused) as raised:
        Account(client, "nobody", "short").register()

    assert str(raised.value).startswith("POST /api/v1/auth/register: 422 validation_failed: ")
    assert "/email " in str(raised.value)
    assert "/password " in str(raised.value)
    assert "\n" not in str(raised.value)
