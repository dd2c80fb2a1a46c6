"""The application as it describes itself: neither its database nor its Redis is there, and it needs none."""

import pytest
from flask import Flask

from tests.contracts.description import Description
from webapp import create_app
from webapp.config import load


@pytest.fixture(scope="session")
def described_app() -> Flask:
    nowhere = "127.0.0.1:1"  # A privileged port that nobody listens on.
    return create_app(
        load(
            database_url=f"postgres://nobody@{nowhere}/nothing",
            redis_url=f"redis://{nowhere}/0",
            cache_probe_interval_ms=0,
            log_level="ERROR",
        )
    )


@pytest.fixture(scope="session")
def description(described_app: Flask) -> Description:
    answer = described_app.test_client().get("/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return Description(answer.get_json())
