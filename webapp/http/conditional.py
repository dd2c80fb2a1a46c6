"""Conditional requests (RFC 9110, section 13): a version is an ETag."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, Field
from werkzeug.http import parse_etags

from webapp.http.bodies import RequestHeaders
from webapp.http.errors import PreconditionFailed


class VersionedDocument(BaseModel):
    """Parent of the documents whose answers carry their version as an ETag."""


class IfNoneMatch(RequestHeaders):
    """The request header of a conditional read."""

    answers: ClassVar[Mapping[int, None]] = {304: None}

    if_none_match: str | None = Field(
        None, alias="If-None-Match", description="ETags that the client has: 304 if one is current."
    )

    def names(self, version: int) -> bool:
        """Say whether the client already has this version."""
        return is_listed(version, self.if_none_match)


class IfMatch(RequestHeaders):
    """The request header of a conditional write."""

    problems: ClassVar[tuple[int, ...]] = (409, 412)

    if_match: str | None = Field(None, alias="If-Match", description="The ETag that must be current: otherwise 412.")

    def allows(self, version: int) -> bool:
        """Say whether a write to this version is allowed: it is named (compared strongly), or none is."""
        tags = parse_etags(self.if_match)
        return not tags or str(version) in tags


def etag(version: int) -> str:
    """Write a version as an ETag."""
    return f'"{version}"'


def is_listed(version: int, if_none_match: str | None) -> bool:
    """Say whether If-None-Match names this version (section 13.1.2: compared weakly, in a list or as `*`)."""
    if if_none_match is None:
        return False
    # What nearly every client sends; the rest of the grammar takes longer.
    return if_none_match == etag(version) or parse_etags(if_none_match).contains_weak(str(version))


def mismatch(version: int) -> PreconditionFailed:
    """Make the answer to an If-Match that names another version than this one."""
    return PreconditionFailed("It has another version now.", current_version=version)
