"""The page that shows the API: all that it loads is ours to give, and a browser that obeys its policy can show it."""

import re

import pytest
from flask import Flask

LOADED = re.compile(r'<(?:script|link rel="stylesheet") (?:src|href)="([^"]+)"')
"""What the page names in the folder of its assets, which a browser looks for from the page's own address."""


def page(app: Flask) -> str:
    with app.test_client().get("/docs") as answer:
        assert (answer.status_code, answer.mimetype) == (200, "text/html")
        return answer.get_data(as_text=True)


def test_the_page_loads_from_us_alone_and_carries_no_script_or_style_inside(app: Flask) -> None:
    text = page(app)
    assert LOADED.findall(text) == ["docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/show.js"]
    assert text.count("<script") == len(re.findall(r'<script src="[^"]+" defer></script>', text)) == 2
    assert "://" not in text
    assert not re.search(r"<style|\sstyle=|\son\w+=", text)


def test_the_page_may_run_its_scripts_and_ask_us_and_nothing_else(app: Flask) -> None:
    with app.test_client().get("/docs") as answer:
        [policy] = answer.headers.getlist("Content-Security-Policy")
        assert answer.headers["X-Frame-Options"] == "DENY"
    told = dict(directive.split(" ", 1) for directive in policy.split("; "))
    assert told["default-src"] == told["frame-ancestors"] == told["base-uri"] == told["form-action"] == "'none'"
    assert told["script-src"] == told["style-src"] == told["connect-src"] == "'self'"
    assert "unsafe" not in policy and "http" not in policy


@pytest.mark.parametrize(
    ("name", "mimetypes"),
    [
        ("swagger-ui-bundle.js", {"text/javascript", "application/javascript"}),
        ("swagger-ui.css", {"text/css"}),
        ("show.js", {"text/javascript", "application/javascript"}),
    ],
)
def test_an_asset_may_be_kept_and_is_guarded_as_every_answer_is(app: Flask, name: str, mimetypes: set[str]) -> None:
    client = app.test_client()
    with client.get(f"/docs/{name}") as answer:
        assert answer.status_code == 200 and answer.mimetype in mimetypes
        assert "no-store" not in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        kept = {"If-None-Match": answer.headers["ETag"]}
    with client.get(f"/docs/{name}", headers=kept) as answer:
        assert (answer.status_code, answer.get_data()) == (304, b"")


@pytest.mark.parametrize(
    "path", ["", "nothing.js", "../description.py", "..%2fdescription.py", "%2fetc/passwd", "%00", "%ff", "a" * 5000]
)
def test_nothing_beside_the_assets_is_given_away(app: Flask, path: str) -> None:
    answer = app.test_client().get(f"/docs/{path}")
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
