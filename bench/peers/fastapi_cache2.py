"""fastapi-cache2: `@cache` on a function that loads the session, the owner checked after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi_cache import FastAPICache
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache
from fastapi_identity import current_user, redis
from settings import load_session


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    FastAPICache.init(RedisBackend(redis), prefix="peer:fastapi-cache")
    yield


app = FastAPI(lifespan=lifespan)


@cache(expire=3600)
async def cached_session(session_id: str) -> dict[str, Any] | None:
    return await asyncio.to_thread(load_session, session_id)


@app.get("/api/v1/sessions/{session_id}")
async def get_session(session_id: str, user: Annotated[dict[str, Any], Depends(current_user)]) -> dict[str, Any]:
    session = await cached_session(session_id)
    if session is None or session["user_id"] != user["id"]:
        raise HTTPException(404)
    return session
