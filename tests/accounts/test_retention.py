"""What nobody can refer to any more is purged in batches, children before their parents."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import insert

from tests.accounts.deleted_rows import OfAFewBatches, a_deleted_account, a_deleted_drive, count, deletions
from webapp import batches
from webapp.accounts import retention
from webapp.batches import Budget
from webapp.cache.unnoted import NOT_NOTICED
from webapp.clock import utcnow
from webapp.database import db
from webapp.http import idempotency
from webapp.models import AuditEvent, DrivingSession, IdempotentAnswer, Login, ReadingChunk, User, new_id


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 10)


def store(app: Flask, model: type, *rows: dict[str, object]) -> None:
    with app.app_context():
        db.session.connection().execute(insert(model), list(rows), execution_options=NOT_NOTICED)
        db.session.commit()


def purge(app: Flask, budget: Budget | None = None) -> dict[str, int]:
    budget = budget or Budget(600.0)
    with app.app_context():
        purged = {
            "logins": retention.purge_logins(budget),
            "answers": idempotency.purge(budget),
            "deleted": retention.purge_deleted(budget),
            "audit_events": retention.purge_audit_events(budget),
        }
        db.session.remove()
    return purged


def login(user_id: str, **times: timedelta) -> dict[str, object]:
    at = {name: utcnow() + after for name, after in ({"expires_at": timedelta(days=1)} | times).items()}
    return {"id": new_id(), "user_id": user_id, "revoked_at": None, **at}


def test_the_rows_of_what_was_deleted_go_after_a_day_children_first(either_app: Flask) -> None:
    owner = a_deleted_account(either_app, days_ago=2)
    old = [a_deleted_drive(either_app, owner, chunks=3, days_ago=1.1) for _ in range(15)]
    store(either_app, Login, *(login(owner) for _ in range(25)))
    with deletions(either_app) as taken:
        purged = purge(either_app)
    assert purged["deleted"] == len(old) + 1
    assert max(taken) <= 10
    assert [count(either_app, model) for model in (ReadingChunk, DrivingSession, Login, User)] == [0, 0, 0, 0]


def test_what_was_deleted_today_keeps_its_rows(either_app: Flask) -> None:
    owner = a_deleted_account(either_app, days_ago=0.5)
    a_deleted_drive(either_app, owner, days_ago=0.5)
    assert purge(either_app)["deleted"] == 0
    assert [count(either_app, model) for model in (DrivingSession, User)] == [1, 1]


def test_an_account_is_not_purged_before_its_drives(either_app: Flask) -> None:
    owner = a_deleted_account(either_app, days_ago=2)
    a_deleted_drive(either_app, owner, days_ago=0.5)
    assert purge(either_app)["deleted"] == 0
    assert count(either_app, User) == 1


def test_logins_go_when_they_have_expired_or_were_revoked_long_ago(either_app: Flask) -> None:
    owner = a_deleted_account(either_app, days_ago=0)
    kept = [login(owner), login(owner, revoked_at=timedelta(days=-29))]
    expired = [login(owner, expires_at=timedelta(seconds=-1)) for _ in range(35)]
    revoked = [login(owner, revoked_at=timedelta(days=-31)) for _ in range(15)]
    store(either_app, Login, *kept, *expired, *revoked)
    with deletions(either_app) as taken:
        assert purge(either_app)["logins"] == 50
    assert max(taken) == 10
    assert count(either_app, Login) == 2


def test_answers_and_events_go_when_they_are_old(either_app: Flask) -> None:
    owner = a_deleted_account(either_app, days_ago=0)
    answer = {"user_id": owner, "request_hash": "", "status": 201, "headers": "{}", "body": b""}
    ages = [timedelta(hours=25)] * 25 + [timedelta(hours=23)]
    answers = [{**answer, "key": f"{n}", "created_at": utcnow() - age} for n, age in enumerate(ages)]
    store(either_app, IdempotentAnswer, *answers)
    ages = [timedelta(days=366)] * 25 + [timedelta(days=364)]
    store(either_app, AuditEvent, *({"id": new_id(), "event": "x", "created_at": utcnow() - age} for age in ages))
    purged = purge(either_app)
    assert (purged["answers"], purged["audit_events"]) == (25, 25)
    assert [count(either_app, model) for model in (IdempotentAnswer, AuditEvent)] == [1, 1]


def test_a_purge_stops_when_its_time_is_up_and_goes_on_the_next_time(either_app: Flask) -> None:
    owner = a_deleted_account(either_app, days_ago=0)
    store(either_app, Login, *(login(owner, expires_at=timedelta(seconds=-1)) for _ in range(35)))
    assert purge(either_app, Budget(0.0))["logins"] == 0
    assert purge(either_app, OfAFewBatches())["logins"] == 30
    assert purge(either_app)["logins"] == 5
