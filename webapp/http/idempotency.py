"""Idempotency-Key: the same key and body within a day get the same answer, and the work is done once.

The answer is written in the transaction that does the work, under the primary key (user, key), which is taken before
the work begins: of two requests at the same time one does the work, and the other one waits for it and finds that
answer, or does the work itself when the first one failed.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

import orjson
from flask import Response, request
from pydantic import Field
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from webapp.batches import Budget, delete_rows
from webapp.clock import utcnow
from webapp.database import db
from webapp.http.bodies import RequestHeaders
from webapp.http.errors import Invalid
from webapp.models import IdempotentAnswer

KEPT = timedelta(hours=24)
MAX_KEY_LENGTH = 255
COLLISIONS = 3
"""How often a request begins anew because another one stored first what must be there once. A second time is rare: what
was met the first time must have gone meanwhile.
"""
KEPT_HEADERS = ("Content-Type", "ETag", "Location")


class IdempotencyKey(RequestHeaders):
    """The request header of a call that may be repeated."""

    code: ClassVar[str] = "bad_idempotency_key"
    detail: ClassVar[str] = f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable characters."
    problems: ClassVar[tuple[int, ...]] = (400, 409)

    idempotency_key: str | None = Field(
        None,
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        pattern="^[ -~]+$",
        description="The same key and body within 24 hours get the same answer, and the work is done once.",
    )


def answer_once(
    user_id: str, key: str | None, work: Callable[[], Response], confirm: Callable[[Response], None]
) -> Response:
    """Do `work` in `db.session`, or repeat the answer given to the same Idempotency-Key. The route commits.

    `confirm(kept)` makes sure, before an answer is repeated, that what it acknowledges is seen by everybody. `work` may
    be begun anew when another request stored in between what must be there once. Raises 422 when the key came with
    another body.
    """
    for _ in range(COLLISIONS):
        try:
            return _answer(user_id, key, work, confirm)
        except IntegrityError:
            # The other request has committed, or we would still wait for it: what it stored is met now.
            db.session.rollback()
    return _answer(user_id, key, work, confirm)


def purge(budget: Budget) -> int:
    """Delete the answers that are older than a day. Returns how many."""
    order = (IdempotentAnswer.created_at, IdempotentAnswer.user_id, IdempotentAnswer.key)
    return delete_rows(IdempotentAnswer, IdempotentAnswer.created_at < utcnow() - KEPT, budget, *order)


def _answer(
    user_id: str, key: str | None, work: Callable[[], Response], confirm: Callable[[Response], None]
) -> Response:
    if key is None:
        return work()
    request_hash = hashlib.sha256(b"\0".join((request.path.encode(), request.get_data()))).hexdigest()
    if kept := _given_before(user_id, key, request_hash):
        repeated = _repeated(kept)
        confirm(repeated)
        return repeated
    claim = _claim(user_id, key, request_hash)
    response = work()
    _fill(claim, response)
    return response


def _given_before(user_id: str, key: str, request_hash: str) -> IdempotentAnswer | None:
    kept = db.session.get(IdempotentAnswer, (user_id, key), populate_existing=True)
    if kept is None or kept.created_at < utcnow() - KEPT:
        return None
    if kept.request_hash != request_hash:
        raise Invalid("This Idempotency-Key came with another body before.", code="idempotency_key_reused")
    return kept


def _claim(user_id: str, key: str, request_hash: str) -> IdempotentAnswer:
    """Take the key before the work is done. Who comes second waits here, and then meets an IntegrityError.

    Taken after the work, the second request would meet what the first one made of it (a drive that is active, say)
    before it meets its answer.
    """
    db.session.execute(
        delete(IdempotentAnswer).where(
            IdempotentAnswer.user_id == user_id,
            IdempotentAnswer.key == key,
            IdempotentAnswer.created_at < utcnow() - KEPT,
        )
    )
    claim = IdempotentAnswer(user_id=user_id, key=key, request_hash=request_hash, status=0, headers="", body=b"")
    db.session.add(claim)
    db.session.flush()
    return claim


def _fill(claim: IdempotentAnswer, response: Response) -> None:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    claim.status = response.status_code
    claim.headers = orjson.dumps(headers).decode()
    claim.body = response.get_data()


def _repeated(kept: IdempotentAnswer) -> Response:
    return Response(kept.body, status=kept.status, headers=orjson.loads(kept.headers))
