"""A drive that readings are appended to, and what stands in the database of it."""

from typing import Any

from flask import Flask
from sqlalchemy import func, select

from testbed.people import Person
from webapp.database import db, read_connection
from webapp.driving import stored_readings
from webapp.models import AppendedReadings, ReadingChunk
from webapp.readings.partials import partial
from webapp.readings.summary import summarize

START = "2026-01-05T08:00:00Z"
Reading = dict[str, Any]


def readings_of(seqs: range) -> list[Reading]:
    return [
        {"seq": n, "t": f"2026-01-05T08:{n // 60 % 60:02d}:{n % 60:02d}.{n // 3600}00Z", "speed_mps": n % 31}
        for n in seqs
    ]


class Drive:
    """A drive of Alice's, and what stands in the database of it."""

    def __init__(self, app: Flask, driver: Person) -> None:
        self.app, self.driver, self.sent = app, driver, set[int]()
        self.id: str = driver.starts_a_drive(started_at=START)["id"]

    def uploads(self, seqs: range) -> dict[str, Any]:
        self.sent |= set(seqs)
        answer = self.driver.post(f"/sessions/{self.id}/readings", json={"readings": readings_of(seqs)})
        assert answer.status_code == 200
        receipt: dict[str, Any] = answer.get_json()
        return receipt

    def appended(self) -> int:
        with self.app.app_context():
            return int(db.session.scalar(select(func.coalesce(func.sum(AppendedReadings.readings_count), 0))) or 0)

    def chunked(self) -> int:
        with self.app.app_context():
            return int(db.session.scalar(select(func.coalesce(func.sum(ReadingChunk.readings_count), 0))) or 0)

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = self.driver.get(f"/sessions/{self.id}").get_json()
        return found

    def stored(self) -> list[int]:
        with self.app.app_context(), read_connection() as connection:
            return [reading["seq"] for reading in stored_readings.of(connection, self.id)]

    def assert_true(self) -> None:
        """Each reading is there once, and the summary is that of all of them."""
        with self.app.app_context(), read_connection() as connection:
            kept = list(stored_readings.of(connection, self.id))
        assert [reading["seq"] for reading in kept] == sorted(self.sent)
        assert self.shown()["summary"] == summarize(partial(kept), "live")
        assert self.shown()["readings_count"] == len(self.sent)
