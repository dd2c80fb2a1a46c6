"""Idempotency-Key: the same key and body within a day get the same answer, and the work is done once.

The answer is written in the transaction that does the work, under the primary key (user, key): of two requests at the
same time one commits both, and the other one finds that answer.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import orjson
from flask import Response, request
from pydantic import BaseModel, Field
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from webapp.clock import utcnow
from webapp.extensions import db
from webapp.http.errors import BadRequest, Invalid
from webapp.models import IdempotentAnswer

KEPT = timedelta(hours=24)
MAX_KEY_LENGTH = 255
KEPT_HEADERS = ("Content-Type", "ETag", "Location")


class IdempotencyKey(BaseModel):
    """The request header of a call that may be repeated."""

    idempotency_key: str | None = Field(
        None,
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        pattern="^[ -~]+$",
        description="The same key and body within 24 hours get the same answer, and the work is done once.",
    )


def answer_once(user_id: str, work: Callable[[], Response], confirm: Callable[[Response], None]) -> Response:
    """Do `work` in `db.session` and commit it, or repeat the answer given to the same Idempotency-Key.

    `confirm(kept)` makes sure, before an answer is repeated, that what it acknowledges is seen by everybody.

    Raises 400 for a malformed key and 422 when the key came with another body.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        response = work()
        db.session.commit()
        return response
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable() or not key.isascii():
        raise BadRequest(
            f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable characters.", code="bad_idempotency_key"
        )
    request_hash = hashlib.sha256(b"\0".join((request.path.encode(), request.get_data()))).hexdigest()
    if repeated := _given_before(user_id, key, request_hash):
        confirm(repeated)
        return repeated
    response = work()
    try:
        _remember(user_id, key, request_hash, response)
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        repeated = _given_before(user_id, key, request_hash)
        if repeated is None:
            raise
        confirm(repeated)
        return repeated
    return response


def purge() -> int:
    """Delete the answers that are older than a day. Returns how many."""
    result = db.session.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_at < utcnow() - KEPT))
    db.session.commit()
    return result.rowcount  # type: ignore[attr-defined, no-any-return]


def _given_before(user_id: str, key: str, request_hash: str) -> Response | None:
    kept = db.session.get(IdempotentAnswer, (user_id, key), populate_existing=True)
    if kept is not None and kept.created_at < utcnow() - KEPT:
        db.session.delete(kept)
        db.session.flush()
        kept = None
    if kept is None:
        return None
    if kept.request_hash != request_hash:
        raise Invalid("This Idempotency-Key came with another body before.", code="idempotency_key_reused")
    return Response(kept.body, status=kept.status, headers=orjson.loads(kept.headers))


def _remember(user_id: str, key: str, request_hash: str, response: Response) -> None:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    db.session.add(
        IdempotentAnswer(
            user_id=user_id,
            key=key,
            request_hash=request_hash,
            status=response.status_code,
            headers=orjson.dumps(headers).decode(),
            body=response.get_data(),
        )
    )
