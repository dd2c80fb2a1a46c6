"""The floor of an upload: a WSGI function, psycopg and orjson, and no more round trips than it takes.

A token that was verified is remembered by its exact characters. Redis is asked once and told once. Readings that come
after all that the drive has, as they nearly always do, are one statement in a transaction of its own: it locks the
drive, inserts, and carries the summary on. Anything else is inserted and summed up anew.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import jwt
import orjson
import psycopg
from psycopg.rows import namedtuple_row
from redis import Redis
from settings import DATABASE_URL, REDIS_URL, SECRET, blacklist_key, session_key, user_key
from upload_body import COLUMNS, BodyError, arrays, parsed
from upload_summary import SUM_UP, document

PREFIX, SUFFIX = "/api/v1/sessions/", "/readings"
STATUSES = {200: "200 OK", 401: "401 Unauthorized", 404: "404 Not Found", 422: "422 Unprocessable Content"}

BATCH = f"unnest({', '.join(f'%({name})s::{kind}[]' for name, kind in COLUMNS.items())})"
NAMES = ", ".join(COLUMNS)
UPLOAD = f"""
WITH drive AS (
    SELECT id FROM driving_sessions
    WHERE id = %(session_id)s AND user_id = %(user_id)s AND (last_seq IS NULL OR last_seq < %(first_seq)s)
    FOR NO KEY UPDATE
), fresh AS (
    INSERT INTO readings (session_id, {NAMES}) SELECT drive.id, batch.* FROM drive, {BATCH} AS batch
    ON CONFLICT DO NOTHING RETURNING seq, t, speed_mps
), legs AS (
    SELECT seq, t, speed_mps, lag(t) OVER by_seq AS t_before, lag(speed_mps) OVER by_seq AS speed_before
    FROM fresh WHERE speed_mps IS NOT NULL WINDOW by_seq AS (ORDER BY seq)
), way AS (
    SELECT count(*) AS speeds, coalesce(sum(speed_mps), 0) AS speed_sum, max(speed_mps) AS speed_max,
        coalesce(sum((speed_before + speed_mps) / 2 * extract(epoch FROM t - t_before)::float8), 0) AS distance_m,
        (array_agg(speed_mps ORDER BY seq))[1] AS first_speed, (array_agg(t ORDER BY seq))[1] AS first_speed_at,
        (array_agg(speed_mps ORDER BY seq DESC))[1] AS last_speed, (array_agg(t ORDER BY seq DESC))[1] AS last_speed_at
    FROM legs
), whole AS (
    SELECT count(*) AS readings, max(seq) AS last_seq, max(t) AS latest, (array_agg(t ORDER BY seq))[1] AS first
    FROM fresh
)
UPDATE driving_sessions AS s SET
    readings_count = s.readings_count + readings, last_seq = whole.last_seq,
    first_reading_at = coalesce(s.first_reading_at, whole.first), last_reading_at = greatest(s.last_reading_at, latest),
    distance_m = s.distance_m + way.distance_m + coalesce(
        (s.last_speed + first_speed) / 2 * extract(epoch FROM first_speed_at - s.last_speed_at)::float8, 0),
    speed_sum = s.speed_sum + way.speed_sum, speed_count = s.speed_count + speeds,
    speed_max = greatest(s.speed_max, way.speed_max), last_speed = coalesce(way.last_speed, s.last_speed),
    last_speed_at = coalesce(way.last_speed_at, s.last_speed_at), version = version + 1, updated_at = now()
FROM drive, way, whole WHERE s.id = drive.id
RETURNING s.*, readings AS accepted
"""
READ = "SELECT * FROM driving_sessions WHERE id = %(session_id)s AND user_id = %(user_id)s"
INSERT = f"""
INSERT INTO readings (session_id, {NAMES}) SELECT %(session_id)s, batch.* FROM {BATCH} AS batch ON CONFLICT DO NOTHING
"""

redis = Redis.from_url(REDIS_URL)
claims_of: dict[str, dict[str, Any]] = {}
local = threading.local()


class Refusal(Exception):
    """Raised with the status of an answer."""


def connection() -> psycopg.Connection[Any]:
    """Return the connection of this thread. Each statement is a transaction, unless it says otherwise."""
    if not hasattr(local, "connection"):
        url = DATABASE_URL.replace("+psycopg", "")
        local.connection = psycopg.connect(url, autocommit=True, row_factory=namedtuple_row)
    opened: psycopg.Connection[Any] = local.connection
    return opened


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    try:
        status, body = 200, answer(environ)
    except Refusal as refusal:
        status, body = refusal.args[0], b"{}"
    start_response(STATUSES[status], [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def answer(environ: dict[str, Any]) -> bytes:
    path = environ["PATH_INFO"]
    claims = verified(environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer "))
    revoked, user = redis.mget(blacklist_key(claims["jti"]), user_key(claims["sub"]))  # type: ignore[misc]
    if revoked is not None or user is None or not orjson.loads(user)["is_active"]:
        raise Refusal(401)
    if not path.startswith(PREFIX):
        raise Refusal(404)
    if environ["REQUEST_METHOD"] == "POST" and path.endswith(SUFFIX):
        raw = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        return upload(claims["sub"], path[len(PREFIX) : -len(SUFFIX)], raw)
    return read(claims["sub"], path[len(PREFIX) :])


def verified(token: str) -> dict[str, Any]:
    claims = claims_of.get(token)
    if claims is None or claims["exp"] <= time.time():
        try:
            claims = claims_of[token] = jwt.decode(token, SECRET, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            raise Refusal(401) from None
    return claims


def upload(user_id: str, session_id: str, raw: bytes) -> bytes:
    try:
        readings = parsed(raw)
    except BodyError:
        raise Refusal(422) from None
    of_drive = {"session_id": session_id, "user_id": user_id}
    given = {**of_drive, "first_seq": min(reading["seq"] for reading in readings), **arrays(readings)}
    session = connection().execute(UPLOAD, given, prepare=True).fetchone()
    session, accepted = (session, session.accepted) if session else late(of_drive, given)
    redis.set(session_key(session_id), orjson.dumps(document(session)))
    receipt = {"accepted": accepted, "duplicates": len(readings) - accepted}
    return orjson.dumps({**receipt, "last_seq": session.last_seq, "session_version": session.version})


def late(of_drive: dict[str, Any], given: dict[str, Any]) -> tuple[Any, int]:
    with connection().transaction():
        if connection().execute(READ + " FOR NO KEY UPDATE", of_drive).fetchone() is None:
            raise Refusal(404)
        if accepted := connection().execute(INSERT, given).rowcount:
            connection().execute(SUM_UP, of_drive)
        return connection().execute(READ, of_drive).fetchone(), accepted


def read(user_id: str, session_id: str) -> bytes:
    shown: bytes | None = redis.get(session_key(session_id))  # type: ignore[assignment]
    if shown is None:
        row = connection().execute(READ, {"session_id": session_id, "user_id": user_id}).fetchone()
        if row is None:
            raise Refusal(404)
        shown = orjson.dumps(document(row))
    if orjson.loads(shown)["user_id"] != user_id:
        raise Refusal(404)
    return shown
