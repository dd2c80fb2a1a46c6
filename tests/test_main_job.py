"""The main job, told through HTTP: log in, drive, read back, log out."""

from testbed.people import Person


def test_a_driver_records_a_drive_and_reads_it_back_from_the_cache(alice: Person) -> None:
    session = alice.starts_a_drive(name="To work", started_at="2026-01-05T08:00:00Z")
    readings = [{"seq": n, "t": f"2026-01-05T08:00:{n:02d}.000Z", "speed_mps": 10.0} for n in range(11)]
    receipt = alice.post(f"/sessions/{session['id']}/readings", json={"readings": readings})
    assert receipt.status_code == 200
    assert receipt.json["accepted"] == 11

    ended = alice.post(f"/sessions/{session['id']}/end", json={"ended_at": "2026-01-05T08:00:10Z"})
    assert ended.status_code == 200
    assert ended.json["status"] == "completed"
    assert ended.json["summary"]["distance_m"] == 100.0

    first = alice.get(f"/sessions/{session['id']}")
    second = alice.get(f"/sessions/{session['id']}")
    assert first.headers["Cache-Status"] == "session-cache; hit", "whoever wrote it has left it there"
    assert second.headers["Cache-Status"] == "session-cache; hit"
    assert first.json == second.json == ended.json


def test_a_token_is_refused_after_logout(alice: Person) -> None:
    assert alice.get("/users/me").status_code == 200
    assert alice.post("/auth/logout").status_code == 204
    assert alice.get("/users/me").status_code == 401
