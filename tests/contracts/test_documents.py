"""The documents: every link leads somewhere, and every decision can be found."""

import re
from pathlib import Path

import pytest

from tests.contracts.source_tree import CHECKOUT

DECISIONS = CHECKOUT / "docs" / "decisions"
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)[^)]*\)")
PATH = re.compile(r"`((?:webapp|worker|embedded|driveplayer|migrations|testbed|bench|tests|docs|bin)/[\w./-]*)`")
HEADINGS = ("## Context", "## Choice", "## Rejected")


def documents() -> list[Path]:
    return [*sorted(CHECKOUT.glob("*.md")), *sorted((CHECKOUT / "docs").rglob("*.md")), *CHECKOUT.glob("bench/*.md")]


def name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@pytest.mark.parametrize("document", documents(), ids=name)
def test_what_a_document_points_at_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = [link for link in LINK.findall(text) if not (document.parent / link).exists()]
    missing += [path for path in PATH.findall(text) if not (CHECKOUT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", sorted(DECISIONS.glob("[0-9]*.md")), ids=name)
def test_a_decision_says_what_was_chosen_and_what_was_not(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert [heading for heading in HEADINGS if heading not in text] == []


def test_the_list_of_decisions_is_whole() -> None:
    listed = (DECISIONS / "README.md").read_text(encoding="utf-8")
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    assert [page.name for page in pages if f"]({page.name})" not in listed] == []
