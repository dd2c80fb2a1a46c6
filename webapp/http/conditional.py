"""Conditional requests (RFC 9110, section 13): a version is an ETag."""

from flask import request
from pydantic import BaseModel, Field

from webapp.http.errors import PreconditionFailed


class IfNoneMatch(BaseModel):
    """The request header of a conditional read."""

    if_none_match: str | None = Field(
        None, alias="If-None-Match", description="ETags that the client has: 304 if one is current."
    )


class IfMatch(BaseModel):
    """The request header of a conditional write."""

    if_match: str | None = Field(None, alias="If-Match", description="The ETag that must be current: otherwise 412.")


def etag(version: int) -> str:
    """Write a version as an ETag."""
    return f'"{version}"'


def is_unchanged(version: int) -> bool:
    """Say whether the client already has this version."""
    return is_listed(version, request.headers.get("If-None-Match"))


def is_listed(version: int, if_none_match: str | None) -> bool:
    """Say whether If-None-Match names this version (section 13.1.2: compared weakly, in a list or as `*`)."""
    if if_none_match is None:
        return False
    current = etag(version)
    if if_none_match == current:  # What nearly every client sends; the rest of the grammar takes longer.
        return True
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return current in tags or "*" in tags


def is_match(version: int) -> bool:
    """Say whether If-Match allows a write to this version: it names it (compared strongly), or is not given."""
    return not request.if_match or str(version) in request.if_match


def mismatch(version: int) -> PreconditionFailed:
    """Make the answer to an If-Match that names another version than this one."""
    return PreconditionFailed("The session has another version.", current_version=version)
