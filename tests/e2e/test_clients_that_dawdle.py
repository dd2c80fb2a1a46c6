"""Clients that dawdle, and too many of them: each is given up in time, and nobody else waits for them."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.api import Api
from testbed.driver import Driver
from testbed.fleet import Fleet, FleetError
from testbed.raw import Raw, answers_in, exchange
from tests.e2e.raw_requests import CLOSE, LIVE, POST, assert_raw_problem


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, standing_fleet: Fleet) -> Iterator[Fleet]:
    """A web process that takes little, and waits for nobody for long."""
    limits = {
        "WEB_CONCURRENCY": "1",
        "WEB_HEAD_TIMEOUT_S": "1",
        "WEB_BODY_TIMEOUT_S": "1",
        "WEB_STALLED_TIMEOUT_S": "1",
        "WEB_MAX_CONNECTIONS": "50",
        "WEB_MAX_REQUESTS_WAITING": "20",
    }
    folder: Path = tmp_path_factory.mktemp("strict")
    stores = {name: standing_fleet.environment[name] for name in ("DATABASE_URL", "REDIS_URL")}
    with Fleet(folder, {**stores, **limits}) as fleet:
        yield fleet


@pytest.fixture
def web(strict: Fleet) -> Fleet:
    strict.ensure("web")
    return strict


def test_a_head_that_does_not_come_is_given_up(web: Fleet) -> None:
    began = time.monotonic()
    (answer,) = exchange(web.port, LIVE)
    assert_raw_problem(answer, 408)
    assert 0.9 < time.monotonic() - began < 3


def test_a_head_that_drips_is_given_up_in_the_same_time(web: Fleet) -> None:
    began = time.monotonic()
    dripping = [bytes([byte]) for byte in LIVE + b"X: " + b"a" * 400]
    with Raw(web.port) as raw:
        for byte in dripping:
            if time.monotonic() - began > 1.5:
                break
            raw.send(byte)
            time.sleep(0.05)
        (answer,) = answers_in(raw.read_to_the_end())
    assert_raw_problem(answer, 408)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("parts", [(LIVE + b"\r\n", LIVE), (LIVE + b"\r\n" + LIVE,)], ids=["later", "at once"])
def test_the_second_head_on_a_connection_has_the_same_time(web: Fleet, parts: tuple[bytes, ...]) -> None:
    began = time.monotonic()
    first, second = exchange(web.port, *parts)
    assert first.status == 200
    assert_raw_problem(second, 408)
    assert time.monotonic() - began < 4


def test_who_says_nothing_is_left_without_a_word(web: Fleet) -> None:
    assert exchange(web.port, b"") == []


def test_a_body_that_does_not_come_is_given_up(web: Fleet) -> None:
    began = time.monotonic()
    (answer,) = exchange(web.port, POST + b"Content-Length: 100\r\n\r\n{")
    assert_raw_problem(answer, 408)
    assert 0.9 < time.monotonic() - began < 3


def test_beyond_the_bound_of_connections_everybody_is_told_to_come_back_but_the_process_says_that_it_lives(
    web: Fleet,
) -> None:
    idle = [Raw(web.port) for _ in range(50)]
    try:
        time.sleep(0.2)
        began = time.monotonic()
        (refused,) = exchange(web.port, b"GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n")
        assert_raw_problem(refused, 503)
        assert b"connections" in refused.body
        assert int(refused.headers["Retry-After"]) > 0
        (live,) = exchange(web.port, LIVE + CLOSE)
        assert live.status == 200
        assert time.monotonic() - began < 0.5
    finally:
        for raw in idle:
            raw.close()
    with Api(web.port) as api:
        assert api.call("GET", "/health/ready").status == 200


def test_half_bodies_take_nobodys_room(web: Fleet) -> None:
    half = [Raw(web.port) for _ in range(40)]
    try:
        for number, raw in enumerate(half):
            framing = b"Content-Length: 1000000" if number % 2 else b"Transfer-Encoding: chunked"
            raw.send(POST + framing + b"\r\n\r\n")
        time.sleep(0.2)
        (ready,) = exchange(web.port, b"GET /health/ready HTTP/1.1\r\nHost: a\r\n" + CLOSE)
        assert ready.status == 200
    finally:
        for raw in half:
            raw.close()


@pytest.mark.parametrize("path", ["/sessions", "/sessions?limit=100"], ids=["hot", "by Flask"])
def test_a_client_that_takes_nothing_of_its_answers_is_cut_off_and_the_others_are_not(web: Fleet, path: str) -> None:
    with Api(web.port) as api:
        alice = Driver.registered(api)
        for _ in range(30):
            drive = alice.starts_a_drive(notes="n" * 200, name="name " * 20)
            alice.call("POST", f"/sessions/{drive['id']}/end", {})
        read = f"GET /api/v1{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {alice.tokens['access_token']}\r\n\r\n"
        with Raw(web.port) as raw:
            raw.send(read.encode() * 2_000)
            began = time.monotonic()
            with pytest.raises(ConnectionError):
                while time.monotonic() - began < 10:
                    raw.send(read.encode())
                    assert alice.call("GET", path).status == 200
                    time.sleep(0.1)


def test_a_limit_of_files_that_leaves_none_for_connections_ends_the_start_with_a_line(
    tmp_path: Path, standing_fleet: Fleet
) -> None:
    stores = {name: standing_fleet.environment[name] for name in ("DATABASE_URL", "REDIS_URL")}
    few_files = {"web": "ulimit -n 256; exec gunicorn asgi:app"}
    with Fleet(tmp_path, stores, few_files) as fleet, pytest.raises(FleetError, match="A limit of 256 open files"):
        fleet.start("web")
