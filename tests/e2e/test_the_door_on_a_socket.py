"""The door against what no client library would send, on a real socket: every error is a problem, nobody is reset."""

import json
import threading
import time

import pytest

from testbed.api import Api
from testbed.driver import Driver
from testbed.fleet import Fleet
from testbed.raw import Raw, answers_in, exchange
from tests.e2e.raw_requests import CLOSE, LIVE, POST, assert_raw_problem

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
NOBODY = json.dumps({"email": "nobody@example.com", "password": "correct horse battery"}).encode()


NOT_A_REQUEST = {
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + SMUGGLED, 400),
    "the same length twice": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + SMUGGLED, 400),
    "a length and chunks": (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunks and a length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunked, then identity": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "an unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 501),
    "a space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "a folded header": (POST + b"X: 1\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "a signed length": (POST + b"Content-Length: +5\r\n\r\nhello" + SMUGGLED, 400),
    "a length with an underscore": (POST + b"Content-Length: 1_0\r\n\r\nhello" + SMUGGLED, 400),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED, 400),
    "lines that end with LF": (b"GET /health/live HTTP/1.1\nHost: a\n\n" + SMUGGLED, 400),
    "two hosts": (b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + SMUGGLED, 400),
    "a control character in a header": (LIVE + b"X: a\x00b\r\n\r\n" + SMUGGLED, 400),
    "a control character in the target": (b"GET /health\x01 HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED, 400),
    "a space in the target": (b"GET /health /live HTTP/1.1\r\nHost: a\r\n\r\n" + SMUGGLED, 400),
    "no version": (b"GET /health/live\r\n\r\n" + SMUGGLED, 400),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "the first bytes of TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\n" * 40, 400),
    "a target too long": (b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a header too long": (LIVE + b"X: " + b"a" * 17_000 + b"\r\n\r\n", 431),
    "a head too long in all": (LIVE + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 400) for n in range(50)) + b"\r\n", 431),
    "a head that never ends": (LIVE + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 400) for n in range(50)), 431),
    "a length of 5,000 digits": (POST + b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n" + SMUGGLED, 400),
    "too many headers": (LIVE + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n", 431),
}


@pytest.mark.parametrize("case", NOT_A_REQUEST)
def test_what_is_no_request_is_refused_once_and_the_connection_ends(fleet: Fleet, case: str) -> None:
    sent, status = NOT_A_REQUEST[case]
    (answer,) = exchange(fleet.port, sent)
    assert_raw_problem(answer, status)
    assert answer.headers["Connection"] == "close"


BAD_CHUNKS = {
    "a size that is no number": b"xyz\r\n",
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a chunk without its end": b"5\r\nhelloX0\r\n\r\n",
    "a size with spaces": b" 5\r\nhello\r\n0\r\n\r\n",
    "a length in the trailer": b"0\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("case", BAD_CHUNKS)
def test_a_body_of_broken_chunks_is_refused_and_the_connection_ends(fleet: Fleet, case: str) -> None:
    answers = exchange(fleet.port, POST + b"Transfer-Encoding: chunked\r\n\r\n" + BAD_CHUNKS[case] + SMUGGLED)
    assert [answer.status for answer in answers] == [400]


def test_a_body_in_chunks_is_a_body(fleet: Fleet) -> None:
    half = len(NOBODY) // 2
    chunks = [b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in (NOBODY[:half], NOBODY[half:])]
    head = POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    (answer,) = exchange(fleet.port, head, *chunks, b"0\r\nX-Trailer: 1\r\n\r\n")
    assert_raw_problem(answer, 401)


@pytest.mark.parametrize("path", [b"/health/live", b"/health/ready", b"/nowhere"])
def test_a_body_where_none_is_expected_is_not_the_next_request(fleet: Fleet, path: bytes) -> None:
    head = b"GET %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (path, len(SMUGGLED))
    answers = exchange(fleet.port, head + SMUGGLED, LIVE + CLOSE)
    assert len(answers) == 2
    assert answers[1].body == b'{"status":"ok"}'


def test_a_head_that_comes_with_the_request_before_it_has_the_same_bound(fleet: Fleet) -> None:
    headers = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 400) for number in range(50))
    first, second = exchange(fleet.port, LIVE + b"\r\n" + LIVE + headers + b"\r\n")
    assert first.status == 200
    assert_raw_problem(second, 431)


def test_requests_that_come_in_one_go_are_answered_in_order(fleet: Fleet, alice: Driver) -> None:
    session = alice.starts_a_drive()["id"]
    token = alice.tokens["access_token"].encode()
    read = b"GET /api/v1/sessions/%s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n" % (session.encode(), token)
    nowhere = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n"
    post = POST + b"Content-Length: %d\r\n\r\n" % len(NOBODY) + NOBODY
    sent = [read + b"\r\n", LIVE + b"\r\n", nowhere + b"\r\n", read + b"\r\n", post, read + b"\r\n", nowhere + CLOSE]
    answers = exchange(fleet.port, b"".join(sent))
    assert [answer.status for answer in answers] == [200, 200, 404, 200, 401, 200, 404]


def test_a_body_in_very_many_chunks_is_refused_before_it_takes_everybodys_time(fleet: Fleet) -> None:
    began = time.monotonic()
    (answer,) = exchange(fleet.port, POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 200_000)
    assert_raw_problem(answer, 400)
    assert time.monotonic() - began < 2


def test_who_sends_very_many_requests_in_one_go_takes_turns_with_others(fleet: Fleet) -> None:
    with Raw(fleet.port, timeout_s=30) as raw, Api(fleet.port) as api:
        sending = threading.Thread(target=raw.send, args=((LIVE + b"\r\n") * 20_000 + LIVE + CLOSE,))
        sending.start()
        slowest_s = max(api.call("GET", "/health/live").seconds for _ in range(50))
        answers = raw.read_to_the_end()
        sending.join()
    assert answers.count(b'{"status":"ok"}') == 20_001
    assert slowest_s < 0.5


@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_request_may_come_in_any_pieces(fleet: Fleet, size: int) -> None:
    sent = LIVE + CLOSE
    parts = [sent[first : first + size] for first in range(0, len(sent), size)]
    (answer,) = exchange(fleet.port, *parts, pause_s=0.002)
    assert answer.status == 200


def test_a_large_body_is_not_counted_as_the_head_of_the_next_request(fleet: Fleet) -> None:
    size = 200_000
    upload = POST + b"Content-Length: %d\r\n\r\n" % size + b" " * size
    first, second = exchange(fleet.port, upload, LIVE, CLOSE, pause_s=0.3)
    assert (first.status, second.status) == (400, 200)


def test_a_client_that_asks_whether_to_go_on_is_told_to(fleet: Fleet) -> None:
    head = POST + b"Content-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n" % len(NOBODY)
    with Raw(fleet.port) as raw:
        raw.send(head)
        assert raw.read_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(NOBODY)
        (answer,) = answers_in(raw.read_to_the_end())
    assert_raw_problem(answer, 401)


def test_a_client_that_asks_whether_to_send_too_much_is_told_not_to(fleet: Fleet) -> None:
    (answer,) = exchange(fleet.port, POST + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
    assert_raw_problem(answer, 413)


def test_a_client_that_sends_too_much_gets_its_answer_and_no_reset(fleet: Fleet) -> None:
    size = 3_000_000
    (answer,) = exchange(fleet.port, POST + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
    assert_raw_problem(answer, 413)


TARGETS = {
    b"http://elsewhere/health/live": 200,
    b"/health/live?x=1": 200,
    b"/health/%6cive": 200,
    b"/health//live": 404,
    b"/health/./live": 404,
    b"/api/../health/live": 404,
    b"/health/live/": 404,
    b"//elsewhere/health/live": 404,
    b"/%2e%2e/%2e%2e/etc/passwd": 404,
    b"/%00": 404,
    b"/%ff%fe": 404,
    b"ftp://elsewhere/health/live": 404,
}


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_target_is_what_it_says(fleet: Fleet, target: bytes) -> None:
    (answer,) = exchange(fleet.port, b"GET %s HTTP/1.1\r\nHost: a\r\n" % target + CLOSE)
    assert answer.status == TARGETS[target]
    if answer.status != 200:
        assert_raw_problem(answer, TARGETS[target])


@pytest.mark.parametrize("sent", [b"HEAD /health/live", b"OPTIONS *", b"TRACE /health/live", b"CONNECT a:1"], ids=str)
def test_other_methods_get_one_answer(fleet: Fleet, sent: bytes) -> None:
    with Raw(fleet.port) as raw:
        raw.send(sent + b" HTTP/1.1\r\nHost: a\r\n" + CLOSE)
        answers = answers_in(raw.read_to_the_end(), [sent.split()[0].decode()])
    assert len(answers) == 1
    assert answers[0].status in (200, 404, 405)


def test_who_would_rather_speak_something_else_is_answered_in_http(fleet: Fleet) -> None:
    upgrade = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    (answer,) = exchange(fleet.port, LIVE + upgrade + b"Connection: Upgrade, close\r\n\r\n")
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')


def test_a_client_of_http_1_0_is_answered_and_left(fleet: Fleet) -> None:
    began = time.monotonic()
    (answer,) = exchange(fleet.port, b"GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert time.monotonic() - began < 2
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
