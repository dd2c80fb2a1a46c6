"""What is read is renewed before it expires; what nobody reads expires."""

from flask import Flask

from testbed.people import Person
from webapp.cache import keys
from webapp.cache.redis import Cache
from webapp.cache.refresh_ahead import refresh_ahead
from webapp.driving.cached_sessions import SESSIONS


def cached_session(alice: Person, cache: Cache, left_s: int) -> str:
    """Cache a session, and let it have `left_s` seconds to live."""
    session_id: str = alice.starts_a_drive()["id"]
    alice.get(f"/sessions/{session_id}")
    cache.client.expire(SESSIONS.key(session_id), left_s)
    return session_id


def test_a_session_that_is_read_and_will_expire_soon_is_renewed(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = cached_session(alice, cache, left_s=20)
    with app.app_context():
        assert refresh_ahead() == 1
    assert cache.client.ttl(SESSIONS.key(session_id)) > 290


def test_a_session_with_time_left_is_left_alone(app: Flask, alice: Person, cache: Cache) -> None:
    cached_session(alice, cache, left_s=250)
    with app.app_context():
        assert refresh_ahead() == 0


def test_a_renewal_never_puts_back_what_was_fenced(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = cached_session(alice, cache, left_s=20)
    cache.entries.fence({SESSIONS.key(session_id): 7})
    with app.app_context():
        assert refresh_ahead() == 0
    assert cache.entries.read([SESSIONS.key(session_id)]) == [None]


def test_two_runs_do_not_overlap(app: Flask, alice: Person, cache: Cache) -> None:
    cached_session(alice, cache, left_s=20)
    cache.client.set(keys.job_lock("refresh_ahead"), "1")
    with app.app_context():
        assert refresh_ahead() == 0
