"""A patient client, against a server that is told what to answer."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import HTTPResponse

import pytest

from driveplayer.client import ATTEMPTS, ATTEMPTS_AT_A_STRANGER, Client, NotThisApi, Unreachable
from embedded.ports import free_port
from tests.driveplayer.told import Timing, Told, problem

Tell = Callable[..., Told]


def test_all_calls_go_over_one_connection(told: Tell) -> None:
    server = told(200, 204, (404, {}))
    with Client(server.url) as client:
        statuses = [client.call("GET", "/a").status, client.call("POST", "/b", body={}).status]
        statuses.append(client.call("GET", "/c").status)

    assert statuses == [200, 204, 404]
    assert len({asked.connection for asked in server.asked}) == 1


def test_a_body_is_json_and_compressed_where_that_is_wanted(told: Tell) -> None:
    server = told(200, 200)
    with Client(server.url + "/base/") as client:
        client.call("POST", "/plain", body={"a": "é"}, token="t")
        client.call("POST", "/small", body={"a": [1] * 1000}, compress=True, etag='"7"')

    plain, small = server.asked
    assert (plain.path, json.loads(plain.body)) == ("/base/plain", {"a": "é"})
    assert (plain.headers["Authorization"], plain.headers["Content-Type"]) == ("Bearer t", "application/json")
    assert json.loads(gzip.decompress(small.body)) == {"a": [1] * 1000}
    assert (small.headers["Content-Encoding"], small.headers["If-None-Match"]) == ("gzip", '"7"')


def test_an_outage_is_waited_out_as_long_as_the_server_asks(told: Tell) -> None:
    in_a_while = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    answers = [problem(503, "x", Retry_After="7"), problem(503, "x", Retry_After=in_a_while)]
    server = told(*answers, problem(503, "x"), problem(503, "x", Retry_After="soon"), 200)
    timing = Timing()
    with Client(server.url, pause=timing.sleep) as client:
        assert client.call("GET", "/").status == 200

    assert client.retries == 4
    assert timing.slept == [7.0, pytest.approx(40, abs=2), 0.8, 1.6]


def test_an_outage_that_lasts_is_the_answer_in_the_end(told: Tell) -> None:
    server = told(*[problem(503, "service_unavailable")] * ATTEMPTS)
    with Client(server.url, pause=Timing().sleep) as client:
        assert client.call("GET", "/").status == 503
    assert len(server.asked) == ATTEMPTS


def test_who_asks_for_more_patience_than_there_is_gets_none(told: Tell) -> None:
    server = told(problem(429, "rate_limited", Retry_After="3600"))
    timing = Timing()
    with Client(server.url, pause=timing.sleep) as client:
        assert client.call("GET", "/").status == 429
    assert timing.slept == []


@pytest.mark.parametrize("answer", [problem(413, "x", Retry_After="1"), problem(302, "x", Location="/elsewhere")])
def test_an_answer_that_is_no_outage_is_the_last_word(told: Tell, answer: tuple[int, object, object]) -> None:
    timing = Timing()
    with Client(told(answer).url, pause=timing.sleep) as client:
        assert client.call("GET", "/").status == answer[0]
    assert timing.slept == []


def test_who_answered_once_is_no_stranger_any_more(told: Tell) -> None:
    server = told(problem(503, "x"), *[None] * (ATTEMPTS - 1))
    with Client(server.url, pause=Timing().sleep) as client, pytest.raises(Unreachable, match=r"without response$"):
        client.call("POST", "/", body={})
    assert len(server.asked) == ATTEMPTS


def test_a_call_whose_connection_breaks_is_repeated_on_a_new_one(told: Tell) -> None:
    server = told(200, None, None, None, 200)
    with Client(server.url, pause=Timing().sleep) as client:
        assert client.call("GET", "/first").status == 200
        assert client.call("POST", "/second", body={"a": 1}).status == 200

    assert client.retries == 3
    assert [asked.body for asked in server.asked] == [b"", *[b'{"a":1}'] * 4]


def test_a_call_that_was_interrupted_leaves_nothing_for_the_next_one(
    told: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = told((200, {"call": 1}), (200, {"call": 2}))
    with Client(server.url) as client:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(HTTPResponse, "read", interrupt)
            client.call("GET", "/")
        assert client.call("GET", "/").document("call") == {"call": 2}


def test_nobody_there_is_told_soon_and_in_one_line() -> None:
    url, timing = f"http://127.0.0.1:{free_port()}", Timing()
    with Client(url, pause=timing.sleep) as client, pytest.raises(Unreachable) as raised:
        client.call("GET", "/")

    assert len(timing.slept) == ATTEMPTS_AT_A_STRANGER - 1
    assert str(raised.value).startswith(f"no server of this API answers at {url}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("body", ["not JSON", ["a list"], {"other": 1}])
def test_an_answer_that_is_not_this_apis_is_told_apart(told: Tell, body: object) -> None:
    with Client(told((200, body)).url) as client, pytest.raises(NotThisApi, match="this server is another one"):
        client.call("GET", "/").document("id")


@pytest.mark.parametrize("url", ["ftp://host", "host:80", "http://", "http://host:99999", "http://host/?a=1", ""])
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|[Pp]ort"):
        Client(url)


def interrupt(_response: HTTPResponse) -> bytes:
    raise KeyboardInterrupt
