"""Passwords: argon2id, as OWASP's Password Storage Cheat Sheet asks for at least (m = 19 MiB, t = 2, p = 1)."""

import base64
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION
from flask import Flask, current_app

from webapp.config import Settings, settings
from webapp.http.errors import Unavailable, field_error
from webapp.threads import Places, Threads, threads_of

Result = TypeVar("Result")

HASHED_AT_ONCE = 2
"""Hashes computed at the same time in one process; each takes a core for about 50 ms, without the GIL."""

WAITING_ROOM = 128
"""How many may hash or wait for it in one process. The last one waits for a few seconds; who finds it full would give
up before their turn, and is told at once to come back (503).
"""


class Hashing:
    """A lane for hashes, in one process: a few are computed at a time, and the others wait in the order in which they
    came, without keeping a thread from other requests.

    They are computed in threads of their own, always the same: the C library keeps the memory of a hash for the thread
    that has used it, and there may be as many threads as there are requests.
    """

    def __init__(self, settings: Settings, threads: Threads) -> None:
        self.hasher = PasswordHasher(time_cost=2, memory_cost=settings.password_hash_memory_kib, parallelism=1)
        self._hashers = ThreadPoolExecutor(HASHED_AT_ONCE, thread_name_prefix="hash")
        self._threads = threads
        self._room = threading.BoundedSemaphore(WAITING_ROOM)
        self._lane = Places(HASHED_AT_ONCE)
        self._here = threading.local()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and keep it until the block ends. Raises 503 when too many wait already."""
        if getattr(self._here, "has_turn", False):
            yield
            return
        if not self._room.acquire(blocking=False):
            raise Unavailable("Too many passwords to check at once. Try again.")
        try:
            with self._threads.standing_aside():
                self._lane.take()
            self._here.has_turn = True
            try:
                yield
            finally:
                self._here.has_turn = False
                self._lane.give()
        finally:
            self._room.release()

    def compute(self, work: Callable[[PasswordHasher], Result]) -> Result:
        """Compute one hash, in a turn; it needs a core and not the interpreter, so others go on."""
        with self.turn(), self._threads.standing_aside():
            return self._hashers.submit(work, self.hasher).result()


def init_app(app: Flask) -> None:
    """Give `app` its hashing."""
    app.extensions["hashing"] = Hashing(settings(app), threads_of(app))


def turn() -> AbstractContextManager[None]:
    """Wait for a turn to hash, and keep it until the block ends. Raises 503 when too many wait already.

    Whoever hashes waits by this before anything that costs something, and holds no connection: a crowd is then in
    nobody's way. Within the block hashes are computed without waiting again.
    """
    return _hashing().turn()


def hash_password(password: str) -> str:
    """Hash a password with a new salt."""
    return _hashing().compute(lambda hasher: hasher.hash(password))


def is_password(password: str, password_hash: str | None) -> bool:
    """Say whether the password is the one that was hashed. Takes as long for nobody's hash (None) as for somebody's."""
    try:
        is_right = _hashing().compute(lambda hasher: hasher.verify(password_hash or _dummy_hash(hasher), password))
    except (VerificationError, InvalidHashError):
        return False
    return is_right and password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Say whether the hash was made with other parameters than today's."""
    return _hashing().hasher.check_needs_rehash(password_hash)


def require_uncommon(password: str, email: str | None, pointer: str) -> None:
    """Refuse (422) a password that somebody who guesses tries first: one of 30,000 (the list of the zxcvbn library), or
    the account's own address.
    """
    if password.casefold() in _common_passwords() or password.casefold() == email:
        raise field_error(pointer, "common_password", "is too easy to guess")


@lru_cache(maxsize=1)
def _common_passwords() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # Here, not above: 5 MiB that only a registration needs.

    return frozenset(FREQUENCY_LISTS["passwords"])


def _dummy_hash(hasher: PasswordHasher) -> str:
    """Write a hash that no password has, without computing one: that would take the first unknown address longer."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len)
    )
    parameters = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${parameters}${salt}${digest}"


def _hashing() -> Hashing:
    hashing: Hashing = current_app.extensions["hashing"]
    return hashing
