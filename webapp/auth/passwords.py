"""Passwords: argon2id, as OWASP's Password Storage Cheat Sheet asks for at least (m = 19 MiB, t = 2, p = 1)."""

import threading
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app

from webapp.http.errors import Unavailable

MAX_HASHING_AT_ONCE = 2
"""Hashes computed at the same time in one process: logins must not take all threads away from reads."""

WAIT_S = 5.0
_hashing = threading.BoundedSemaphore(MAX_HASHING_AT_ONCE)


@lru_cache(maxsize=4)
def _hasher(memory_kib: int) -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=memory_kib, parallelism=1)


@lru_cache(maxsize=4)
def _dummy_hash(memory_kib: int) -> str:
    return _hasher(memory_kib).hash("nobody has this password")


def _memory_kib() -> int:
    return int(current_app.config["SETTINGS"].password_hash_memory_kib)


class _Turn:
    """A turn to hash; who waits too long is told to come back."""

    def __enter__(self) -> None:
        if not _hashing.acquire(timeout=WAIT_S):
            raise Unavailable("Too many logins at once. Try again.")

    def __exit__(self, *_: object) -> None:
        _hashing.release()


def hash_password(password: str) -> str:
    """Hash a password with a new salt."""
    with _Turn():
        return _hasher(_memory_kib()).hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Say whether the password is the one that was hashed. Takes as long for nobody's hash (None) as for somebody's."""
    memory_kib = _memory_kib()
    with _Turn():
        try:
            is_right = _hasher(memory_kib).verify(password_hash or _dummy_hash(memory_kib), password)
        except (VerificationError, InvalidHashError):
            return False
    return is_right and password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Say whether the hash was made with other parameters than today's."""
    return _hasher(_memory_kib()).check_needs_rehash(password_hash)
