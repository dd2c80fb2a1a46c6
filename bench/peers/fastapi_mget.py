"""FastAPI by hand: PyJWT in a dependency as its security tutorial shows, and one MGET on redis-py's asyncio client.

With TOKEN_MEMORY=1 a verified token is remembered by its exact characters, as we do.
"""

import json
import os
import time
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import OAuth2PasswordBearer
from redis.asyncio import Redis
from settings import REDIS_URL, SECRET, blacklist_key, session_key, user_key

REMEMBERED: dict[str, dict[str, Any]] | None = {} if os.environ.get("TOKEN_MEMORY") else None

app = FastAPI()
redis = Redis.from_url(REDIS_URL, decode_responses=True)
bearer = OAuth2PasswordBearer(tokenUrl="token")


async def verified(token: Annotated[str, Depends(bearer)]) -> dict[str, Any]:
    claims = REMEMBERED.get(token) if REMEMBERED is not None else None
    if claims is None or claims["exp"] <= time.time():
        try:
            claims = jwt.decode(token, SECRET, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from None
        if REMEMBERED is not None:
            REMEMBERED[token] = claims
    return claims


@app.get("/api/v1/sessions/{session_id}")
async def get_session(session_id: str, claims: Annotated[dict[str, Any], Depends(verified)]) -> Response:
    revoked, user, session = await redis.mget(
        blacklist_key(claims["jti"]), user_key(claims["sub"]), session_key(session_id)
    )
    if revoked is not None or user is None or not json.loads(user)["is_active"]:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    document = json.loads(session) if session else None
    if document is None or document["user_id"] != claims["sub"]:
        raise HTTPException(404)
    return Response(session, media_type="application/json", headers={"ETag": f'"{document["version"]}"'})
