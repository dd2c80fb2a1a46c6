"""What a cached entry says, and the database does not, is found and healed."""

from click.testing import Result
from flask import Flask

from testbed.people import Person
from webapp.cache.drift import measure
from webapp.cache.redis import Cache
from webapp.driving.cached_sessions import SESSIONS
from webapp.models import new_id


def run(app: Flask) -> Result:
    """Compare the session that was read, and the driver who has logged in."""
    return app.test_cli_runner().invoke(args=["cache", "drift"])


def test_a_true_cache_passes(app: Flask, alice: Person) -> None:
    alice.get(f"/sessions/{alice.starts_a_drive()['id']}")
    result = run(app)
    assert (result.exit_code, result.stdout) == (0, "2 compared, 0 drifted, 0 healed\n")


def test_a_drift_is_told_and_healed(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = alice.starts_a_drive(name="true")["id"]
    alice.get(f"/sessions/{session_id}")
    raw = str(cache.client.get(SESSIONS.key(session_id)))
    cache.client.set(SESSIONS.key(session_id), raw.replace("true", "false", 1), keepttl=True)
    result = run(app)
    assert (result.exit_code, result.stdout) == (1, "2 compared, 1 drifted, 1 healed\n")
    assert alice.get(f"/sessions/{session_id}").json["name"] == "true"


def test_a_run_goes_on_where_the_last_one_stopped_until_each_entry_was_compared(
    app: Flask, alice: Person, cache: Cache
) -> None:
    session_id = alice.starts_a_drive()["id"]
    alice.get(f"/sessions/{session_id}")
    raw = str(cache.client.get(SESSIONS.key(session_id))).replace("|1|", "|0|", 1)  # As old as a row that is not there.
    cache.client.mset({SESSIONS.key(new_id()): raw for _ in range(1000)})
    with app.app_context():
        healed = [measure(100).healed for _ in range(12)]
    assert all(healed[:4]), "each one looks at another part"
    assert sum(healed) >= 1000


def test_a_run_over_a_full_redis_tells_what_it_has_found(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = alice.starts_a_drive(name="true")["id"]
    alice.get(f"/sessions/{session_id}")
    raw = str(cache.client.get(SESSIONS.key(session_id)))
    cache.client.set(SESSIONS.key(session_id), raw.replace("true", "false", 1), keepttl=True)
    cache.client.config_set("maxmemory", 1)
    try:
        result = run(app)
    finally:
        cache.client.config_set("maxmemory", 0)
    assert (result.exit_code, result.stdout) == (1, "2 compared, 1 drifted, 1 healed\n")
