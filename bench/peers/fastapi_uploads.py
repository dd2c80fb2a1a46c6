"""Uploads with FastAPI and SQLAlchemy's asyncio: the drive as an object, readings with ON CONFLICT DO NOTHING."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi_identity import current_user, redis
from settings import DATABASE_URL, session_key
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from upload_model import Batch, Receipt
from upload_summary import SUM_UP, document, grown, is_in_order
from upload_tables import DrivingSession, Reading

app = FastAPI()
sessions = async_sessionmaker(create_async_engine(DATABASE_URL), expire_on_commit=False)

INSERT = insert(Reading).on_conflict_do_nothing().returning(Reading.seq)


async def get_db() -> AsyncIterator[AsyncSession]:
    async with sessions() as db:
        yield db


Db = Annotated[AsyncSession, Depends(get_db)]
User = Annotated[dict[str, Any], Depends(current_user)]


@app.post("/api/v1/sessions/{session_id}/readings")
async def upload(session_id: UUID, batch: Batch, user: User, db: Db) -> Receipt:
    session = await db.get(DrivingSession, str(session_id), with_for_update=True)
    if session is None or session.user_id != user["id"]:
        raise HTTPException(404)
    rows = [{"session_id": session.id, **reading.model_dump()} for reading in batch.readings]
    accepted = set(await db.scalars(INSERT, rows))
    by_seq = {row["seq"]: row for row in reversed(rows)}
    await take_in(db, session, [by_seq[seq] for seq in sorted(accepted)])
    await db.commit()
    await redis.set(session_key(session.id), json.dumps(document(session)))
    return Receipt(
        accepted=len(accepted),
        duplicates=len(rows) - len(accepted),
        last_seq=session.last_seq,
        session_version=session.version,
    )


async def take_in(db: AsyncSession, session: DrivingSession, fresh: list[dict[str, Any]]) -> None:
    if fresh and is_in_order(session, fresh):
        for name, value in grown(session, fresh).items():
            setattr(session, name, value)
        session.readings_count += len(fresh)
        session.version += 1
        session.updated_at = datetime.now(UTC)
    elif fresh:
        connection = await db.connection()
        await connection.exec_driver_sql(SUM_UP, {"session_id": session.id})
        await db.refresh(session)


@app.get("/api/v1/sessions/{session_id}")
async def get_session(session_id: UUID, user: User, db: Db) -> Response:
    shown = await redis.get(session_key(str(session_id)))
    if shown is None:
        session = await db.get(DrivingSession, str(session_id))
        shown = json.dumps(document(session)) if session else None
    if shown is None or json.loads(shown)["user_id"] != user["id"]:
        raise HTTPException(404)
    return Response(shown, media_type="application/json")
