"""The locks are whole: what they name is installed, what is installed is in them, and nobody need ask for more."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.contracts.source_tree import CHECKOUT

LOCKS = ("requirements.txt", "requirements-dev.txt")
ENTRY = re.compile(r"^([^\s#-][^\\]*) \\$\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?$\n)+)", re.MULTILINE)
BROUGHT_BY_PYTHON = {"pip", "setuptools"}
"""What an environment has before anything is installed into it."""


def entries(lock: str) -> list[Requirement]:
    """Return what a lock names; each with its hashes, or it is not found here."""
    return [Requirement(match[1]) for match in ENTRY.finditer((CHECKOUT / lock).read_text(encoding="utf-8"))]


def here(requirements: list[Requirement]) -> dict[str, Version]:
    """Return name and version of what a lock wants on this machine."""
    wanted = [one for one in requirements if one.marker is None or one.marker.evaluate()]
    return {canonicalize_name(one.name): Version(str(one.specifier).removeprefix("==")) for one in wanted}


def asked_for(path: Path) -> list[Requirement]:
    """Return the requirements of a file that people write."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def closure(roots: list[Requirement]) -> Iterator[tuple[str, Requirement]]:
    """Walk over all that these requirements need on this machine, by their metadata, each with who asks for it.

    pip check looks at what is needed without extras alone.
    """
    waiting, seen = [("us", root) for root in roots], set()
    while waiting:
        by_whom, requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        yield by_whom, requirement
        for text in metadata.requires(requirement.name) or []:
            needed = Requirement(text)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append((requirement.name, needed))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_has_a_version_and_hashes(lock: str) -> None:
    text = (CHECKOUT / lock).read_text(encoding="utf-8")
    assert len(re.findall(r"^[^\s#]", text, re.MULTILINE)) == len(entries(lock)) > 30
    assert all(re.fullmatch(r"==[^*,]+", str(one.specifier)) for one in entries(lock))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place_and_says_how_it_is_renewed(lock: str) -> None:
    text = (CHECKOUT / lock).read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    asked = lock.replace(".txt", ".in")
    command = next(line.strip("# ") for line in text.splitlines() if "uv pip compile" in line)
    assert command in (CHECKOUT / asked).read_text(encoding="utf-8")
    assert "--no-strip-extras" in command


def test_the_two_locks_agree() -> None:
    run, dev = (here(entries(lock)) for lock in LOCKS)
    assert {name: (run[name], dev[name]) for name in run.keys() & dev.keys() if run[name] != dev[name]} == {}


def test_what_is_installed_is_what_the_locks_name() -> None:
    installed = {canonicalize_name(found.name): Version(found.version) for found in metadata.distributions()}
    locked = here(entries(LOCKS[0])) | here(entries(LOCKS[1]))
    assert {name: version for name, version in installed.items() if name not in BROUGHT_BY_PYTHON} == locked


@pytest.mark.parametrize("files", [LOCKS[:1], LOCKS], ids=["run", "run and dev"])
def test_what_anything_needs_is_in_the_locks(files: tuple[str, ...]) -> None:
    locked = {name: version for lock in files for name, version in here(entries(lock)).items()}
    roots = [root for lock in files for root in asked_for(CHECKOUT / lock.replace(".txt", ".in"))]
    missing = {
        f"{needed}, which {by_whom} needs"
        for by_whom, needed in closure(roots)
        if canonicalize_name(needed.name) not in locked
        or not needed.specifier.contains(locked[canonicalize_name(needed.name)], prereleases=True)
    }
    assert missing == set()
