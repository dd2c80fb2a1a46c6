"""Health: is it up, may it get traffic, and what is wrong if something is. Public: no counts of users, no versions."""

import time
from typing import Any

import structlog
from flask import Blueprint, Response, jsonify
from pydantic import BaseModel
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp.auth.endpoint import endpoint
from webapp.cache import keys
from webapp.cache.redis import get_redis, redis_health_check
from webapp.database import read_connection

blueprint = Blueprint("health", __name__)
log = structlog.get_logger(__name__)
TAG = "Operations"

WORKER_IS_LATE_AFTER_S = 60


class HealthDocument(BaseModel):
    """The state of the service and of what it stands on."""

    status: str
    redis: dict[str, Any]
    database: dict[str, Any]
    worker: dict[str, Any]


class LiveDocument(BaseModel):
    """The process answers."""

    status: str


@blueprint.get("/health")
@endpoint({200: HealthDocument, 503: HealthDocument}, tag=TAG)
def check_health() -> tuple[Response, int]:
    """Say what works: "ok", "degraded" (Redis or the worker is away: slower, still right) or "down" (no database)."""
    redis, database = redis_health_check(), database_health_check()
    worker = _worker_health() if redis["status"] == "ok" else {"status": "unknown", "last_seen_s": None}
    if database["status"] != "ok":
        status = "down"
    elif redis["status"] != "ok" or redis["warnings"] or worker["status"] != "ok":
        status = "degraded"
    else:
        status = "ok"
    body = jsonify(status=status, redis=redis, database=database, worker=worker)
    return body, 503 if status == "down" else 200


@blueprint.get("/health/live")
@endpoint(LiveDocument, tag=TAG)
def check_liveness() -> Response:
    """Say that this process answers."""
    return jsonify(status="ok")


@blueprint.get("/health/ready")
@endpoint({200: LiveDocument, 503: LiveDocument}, tag=TAG)
def check_readiness() -> tuple[Response, int]:
    """Say whether to send traffic here. Redis being away is no reason not to: reads then come from the database."""
    is_ready = database_health_check()["status"] == "ok"
    return jsonify(status="ok" if is_ready else "down"), 200 if is_ready else 503


def database_health_check() -> dict[str, Any]:
    """Measure one SELECT 1: `{"status": "ok" | "down", "latency_ms": float | None}`."""
    started = time.perf_counter()
    try:
        with read_connection() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        log.error("database_unavailable", operation="health", error=type(error).__name__)
        return {"status": "down", "latency_ms": None}
    return {"status": "ok", "latency_ms": round((time.perf_counter() - started) * 1000, 3)}


def _worker_health() -> dict[str, Any]:
    try:
        seen = get_redis().get(keys.WORKER_HEARTBEAT)
        last_seen_s = round(max(0.0, time.time() - float(seen)), 1) if seen else None
    except (RedisError, ValueError) as error:
        log.warning("worker_heartbeat_unreadable", error=type(error).__name__)
        last_seen_s = None
    is_late = last_seen_s is None or last_seen_s > WORKER_IS_LATE_AFTER_S
    return {"status": "late" if is_late else "ok", "last_seen_s": last_seen_s}
