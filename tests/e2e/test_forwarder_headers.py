"""No header says which path a request is for: not even one from an address whose X-Forwarded-Proto is believed."""

import pytest

from testbed.api import Api
from testbed.driver import Driver, expect
from testbed.fleet import Fleet

SPELLINGS = ["PATH_INFO", "path_info", "Path-Info", "X-Path-Info", "X-Original-URL", "X-Rewrite-URL"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_header_leads_to_another_path(fleet: Fleet, name: str) -> None:
    with Api(fleet.port) as api:
        assert api.call("GET", "/nowhere", headers={name: "/health/live"}).status == 404
        assert api.call("GET", "/health/live", headers={name: "/nowhere"}).status == 200


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "script_name", "Script-Name", "X-Script-Name", "X-Forwarded-Prefix"])
def test_no_header_puts_something_before_the_path(fleet: Fleet, alice: Driver, name: str) -> None:
    headers = {"Authorization": f"Bearer {alice.tokens['access_token']}", name: "/api"}
    started = expect(201, alice.api.call("POST", "/api/v1/sessions", body={}, headers=headers))
    assert started.headers["Location"].endswith(f"/api/v1/sessions/{started.json['id']}")
    assert not started.headers["Location"].endswith(f"/api/api/v1/sessions/{started.json['id']}")
    expect(404, alice.api.call("GET", "/v1/users/me", headers=headers))


@pytest.mark.parametrize("name", ["REMOTE_USER", "REMOTE_ADDR", "WSGI_URL_SCHEME", "HTTP_AUTHORIZATION"])
def test_no_header_stands_in_for_what_the_server_knows(fleet: Fleet, alice: Driver, name: str) -> None:
    token = f"Bearer {alice.tokens['access_token']}"
    expect(401, alice.api.call("GET", "/api/v1/users/me", headers={name: token}))
