"""Who is calling, for the FastAPI peers whose cache library caches the session: PyJWT, then blocklist and user."""

import json
from typing import Annotated, Any

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import OAuth2PasswordBearer
from redis.asyncio import Redis
from settings import REDIS_URL, SECRET, blacklist_key, user_key

redis = Redis.from_url(REDIS_URL)
bearer = OAuth2PasswordBearer(tokenUrl="token")


async def current_user(token: Annotated[str, Depends(bearer)]) -> dict[str, Any]:
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from None
    revoked, found = await redis.mget(blacklist_key(claims["jti"]), user_key(claims["sub"]))
    user: dict[str, Any] | None = json.loads(found) if found else None
    if revoked is not None or user is None or not user["is_active"]:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return user
