"""Secrets are made once, kept, and nobody else's to read."""

import stat
from pathlib import Path

import pytest

from embedded.keyfile import KeyFileError, load_or_create


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    secret = load_or_create(tmp_path / "a.key")
    assert len(secret.encode()) >= 32
    assert load_or_create(tmp_path / "a.key") == secret


def test_two_secrets_differ(tmp_path: Path) -> None:
    assert load_or_create(tmp_path / "a.key") != load_or_create(tmp_path / "b.key")


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    load_or_create(tmp_path / "a.key")
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.key"]


def test_a_file_whose_mode_was_lost_is_closed_again(tmp_path: Path) -> None:
    secret = load_or_create(tmp_path / "a.key")
    (tmp_path / "a.key").chmod(0o644)
    assert load_or_create(tmp_path / "a.key") == secret
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


def test_what_a_crash_left_half_written_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "a.key.new").write_text("half")
    assert len(load_or_create(tmp_path / "a.key")) >= 32


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 64])
def test_a_file_that_holds_no_good_secret_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.key").write_bytes(content)
    with pytest.raises(KeyFileError, match=r"a\.key"):
        load_or_create(tmp_path / "a.key")


def test_a_folder_that_cannot_be_written_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"missing/a\.key"):
        load_or_create(tmp_path / "missing" / "a.key")
