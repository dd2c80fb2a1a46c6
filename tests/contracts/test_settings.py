"""A setting is read in one place, and stands in `.env.example` and in the README with its default."""

from collections.abc import Callable

import pytest

from tests.contracts.settings_page import environment_reads, example, readme
from tests.contracts.source_tree import CHECKOUT, files, imports, module_name
from webapp.config import Settings, load

SECRETS = {"JWT_SECRET_KEY"}
"""What is made, not defaulted: no document shows a value."""

FIELDS = {name.upper(): field.default for name, field in Settings.model_fields.items()}
SERVER_FILES = (CHECKOUT / "gunicorn.conf.py", CHECKOUT / "celeryconfig.py", CHECKOUT / "wsgi.py")


def test_the_environment_is_read_in_one_module_for_the_application_and_its_servers() -> None:
    readers = {module_name(path): environment_reads(path) for path in [*files("webapp", "worker"), *SERVER_FILES]}
    assert {module: names for module, names in readers.items() if names} == {}
    by_pydantic = {module_name(path) for path in files("webapp", "worker") if "pydantic_settings" in imports(path)}
    assert by_pydantic == {"webapp.config"}


@pytest.mark.parametrize("document", [example, readme], ids=[".env.example", "README.md"])
def test_every_setting_is_documented_and_no_other(document: Callable[[], dict[str, str]]) -> None:
    assert document().keys() == FIELDS.keys()


def test_the_example_shows_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELDS:
        monkeypatch.delenv(name, raising=False)
    defaults = load()
    for name, value in example().items():
        if name not in SECRETS:
            monkeypatch.setenv(name, value)
    assert load() == defaults
    assert [name for name in FIELDS if not example()[name] and FIELDS[name] and name not in SECRETS] == []


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - SECRETS))
def test_the_readme_shows_the_default(name: str) -> None:
    shown = example()[name]
    assert f"`{shown}`" in readme()[name] if shown else readme()[name].strip()


def test_a_copied_example_sets_nothing() -> None:
    lines = (CHECKOUT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
