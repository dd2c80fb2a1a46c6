"""What lies in the tree and is not ours is listed, and is what its makers published."""

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.source_tree import CHECKOUT

LISTS = sorted((CHECKOUT / "webapp").rglob("vendored.toml"))


@pytest.fixture(params=LISTS, ids=lambda path: path.parent.name)
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path.parent


@pytest.fixture
def listed(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "vendored.toml").read_text(encoding="utf-8"))


def test_a_vendored_file_is_as_it_was_published(folder: Path, listed: dict[str, Any]) -> None:
    told = {name: digest for package in listed["package"] for name, digest in package["sha256"].items()}
    assert told == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in told}


def test_every_file_beside_a_list_is_ours_or_vendored(folder: Path, listed: dict[str, Any]) -> None:
    names = [name for package in listed["package"] for name in package["sha256"]] + listed["ours"]
    assert sorted(names) == sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_package_is_named_with_its_licence_and_where_it_is_from(listed: dict[str, Any]) -> None:
    for package in listed["package"]:
        assert package["name"] and package["licence"] and "LICENSE" in package["sha256"]
        assert package["source"].endswith(f" {package['name']}@{package['version']}")


def test_the_page_of_the_description_is_among_the_lists() -> None:
    assert CHECKOUT / "webapp/ops/swagger_ui/vendored.toml" in LISTS
