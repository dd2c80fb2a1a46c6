"""Keep secrets that are made once, in files that only their owner can read."""

import os
import secrets
from pathlib import Path

SECRET_BYTES = 48
MIN_LENGTH = 32


class KeyFileError(Exception):
    """A key file cannot be used; the message is one clear line."""


def load_or_create(path: Path) -> str:
    """Return the secret in this file, at least 32 characters; make a random one where there is no such file.

    The caller holds the folder's lock: two processes that both make the secret would not share it.
    """
    try:
        secret = _load(path) if path.exists() else _create(path)
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot use {path}: {error}") from error
    if len(secret) < MIN_LENGTH:
        raise KeyFileError(f"{path} holds fewer than {MIN_LENGTH} characters; remove it to have a new secret made")
    return secret


def _load(path: Path) -> str:
    # A copy or a restored backup may have lost the mode.
    path.chmod(0o600)
    return path.read_text(encoding="ascii").strip()


def _create(path: Path) -> str:
    secret = secrets.token_urlsafe(SECRET_BYTES)
    # Written aside and renamed: a crash half way must not leave an empty secret, nor one that was never in force.
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{secret}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return secret
