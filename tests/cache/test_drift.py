"""The audit tells when a cached entry says something else than the database, and heals it."""

from click.testing import Result
from flask import Flask

from testbed.people import Person
from webapp.cache import keys
from webapp.cache.audit import audit
from webapp.cache.redis import Cache
from webapp.models import new_id


def run(app: Flask) -> Result:
    return app.test_cli_runner().invoke(args=["cache", "audit"])


def test_a_true_cache_passes(app: Flask, alice: Person) -> None:
    alice.get(f"/sessions/{alice.starts_a_drive()['id']}")
    result = run(app)
    assert (result.exit_code, result.stdout) == (0, "1 compared, 0 drifted, 0 healed\n")


def test_a_drift_is_told_and_healed(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = alice.starts_a_drive(name="true")["id"]
    alice.get(f"/sessions/{session_id}")
    raw = str(cache.client.get(keys.session(session_id)))
    cache.client.set(keys.session(session_id), raw.replace("true", "false", 1), keepttl=True)
    result = run(app)
    assert (result.exit_code, result.stdout) == (1, "1 compared, 1 drifted, 1 healed\n")
    assert alice.get(f"/sessions/{session_id}").json["name"] == "true"


def test_audits_go_on_where_the_last_one_stopped_until_each_entry_was_compared(
    app: Flask, alice: Person, cache: Cache
) -> None:
    session_id = alice.starts_a_drive()["id"]
    alice.get(f"/sessions/{session_id}")
    raw = str(cache.client.get(keys.session(session_id))).replace("|1|", "|0|", 1)  # As old as a row that is not there.
    cache.client.mset({keys.session(new_id()): raw for _ in range(1000)})
    with app.app_context():
        healed = [audit(100).healed for _ in range(12)]
    assert all(healed[:4]), "each one looks at another part"
    assert sum(healed) >= 1000


def test_an_audit_of_a_full_redis_tells_what_it_has_found(app: Flask, alice: Person, cache: Cache) -> None:
    session_id = alice.starts_a_drive(name="true")["id"]
    alice.get(f"/sessions/{session_id}")
    raw = str(cache.client.get(keys.session(session_id)))
    cache.client.set(keys.session(session_id), raw.replace("true", "false", 1), keepttl=True)
    cache.client.config_set("maxmemory", 1)
    try:
        result = run(app)
    finally:
        cache.client.config_set("maxmemory", 0)
    assert (result.exit_code, result.stdout) == (1, "1 compared, 1 drifted, 1 healed\n")
