"""Conditional requests (RFC 9110, section 13): a version is an ETag."""

from flask import request

from webapp.http.errors import PreconditionFailed


def etag(version: int) -> str:
    """Write a version as an ETag."""
    return f'"{version}"'


def is_unchanged(version: int) -> bool:
    """Say whether the client already has this version (If-None-Match, compared weakly)."""
    return request.if_none_match.contains_weak(str(version))


def require_match(version: int) -> None:
    """Refuse with 412 when If-Match is given and names another version (compared strongly)."""
    if request.if_match and str(version) not in request.if_match:
        raise PreconditionFailed("The session has another version.", current_version=version)
