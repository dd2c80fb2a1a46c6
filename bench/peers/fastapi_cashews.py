"""cashews: `@cache` on a function that loads the session, the owner checked after it."""

import asyncio
from typing import Annotated, Any

from cashews import cache
from fastapi import Depends, FastAPI, HTTPException
from fastapi_identity import current_user
from settings import REDIS_URL, load_session

app = FastAPI()
cache.setup(REDIS_URL)


@cache(ttl="1h", key="peer:cashews:{session_id}")
async def cached_session(session_id: str) -> dict[str, Any] | None:
    return await asyncio.to_thread(load_session, session_id)


@app.get("/api/v1/sessions/{session_id}")
async def get_session(session_id: str, user: Annotated[dict[str, Any], Depends(current_user)]) -> dict[str, Any]:
    session = await cached_session(session_id)
    if session is None or session["user_id"] != user["id"]:
        raise HTTPException(404)
    return session
