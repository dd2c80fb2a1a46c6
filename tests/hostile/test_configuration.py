"""Production does not start with a secret that can be guessed, and says so in one line that does not repeat it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from webapp.config import DEVELOPMENT_SECRET, load

ROOT = Path(__file__).parents[2]
GOOD = "q3zTzP6d0m8Yw1hJ5vK2xR9bN4cL7fSg"
SECRETS: dict[str, dict[str, str]] = {
    "missing": {},
    "empty": {"JWT_SECRET_KEY": ""},
    "spaces": {"JWT_SECRET_KEY": " " * 64},
    "short": {"JWT_SECRET_KEY": GOOD[:31]},
    "short but for the spaces": {"JWT_SECRET_KEY": GOOD[:20] + " " * 40},
    "the one for development": {"JWT_SECRET_KEY": DEVELOPMENT_SECRET},
    "change-me": {"JWT_SECRET_KEY": "change-me-change-me-change-me-change-me"},
    "CHANGEME": {"JWT_SECRET_KEY": "CHANGEME-0123456789-0123456789-abcdef"},
    "secret": {"JWT_SECRET_KEY": "secret-secret-secret-secret-secret-1"},
    "your-secret-key": {"JWT_SECRET_KEY": "your-secret-key-goes-here-0123456789"},
    "one letter": {"JWT_SECRET_KEY": "a" * 64},
    "zeros": {"JWT_SECRET_KEY": "0" * 64},
    "two letters": {"JWT_SECRET_KEY": "ab" * 32},
    "a previous one that is short": {"JWT_SECRET_KEY": GOOD, "JWT_PREVIOUS_SECRET_KEYS": f"{GOOD},short"},
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JWT_SECRET_KEY", "JWT_PREVIOUS_SECRET_KEYS", "DATABASE_URL", "REDIS_URL", "APP_ENV"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("environment", SECRETS.values(), ids=SECRETS.keys())
def test_production_refuses_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], environment: dict[str, str]
) -> None:
    for name, value in {"APP_ENV": "production", **environment}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exit_:
        load()
    assert exit_.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("configuration error: ")
    assert "JWT_" in said
    assert not any(secret.strip() and secret in said for secret in environment.values())


@pytest.mark.parametrize("known", [DEVELOPMENT_SECRET, "a" * 64, "change-me-change-me-change-me-change-me"])
def test_production_refuses_a_known_secret_among_the_previous_ones(monkeypatch: pytest.MonkeyPatch, known: str) -> None:
    for name, value in {"APP_ENV": "production", "JWT_SECRET_KEY": GOOD, "JWT_PREVIOUS_SECRET_KEYS": known}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load()


def test_production_takes_a_random_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("JWT_SECRET_KEY", GOOD)
    assert load().jwt_secret_key == GOOD


WRONG = {
    "APP_ENV": "prod",
    "DATABASE_URL": "mysql://127.0.0.1/x",
    "REDIS_URL": "http://127.0.0.1",
    "ACCESS_TOKEN_EXPIRE_MINUTES": "0",
    "REFRESH_TOKEN_EXPIRE_DAYS": "forever",
    "REDIS_MAX_CONNECTIONS": "-1",
    "RATELIMIT_LOGIN_PER_ADDRESS": "often",
    "RATELIMIT_STARTS_PER_ACCOUNT": "0/hour",
    "RATELIMIT_READINGS_PER_ACCOUNT": "500/day",
    "RATELIMIT_ENABLED": "perhaps",
    "SESSION_CACHE_TTL": "1e9",
    "TRUSTED_PROXY_HOPS": "-1",
    "LOG_LEVEL": "verbose",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(name, WRONG[name])
    with pytest.raises(SystemExit) as exit_:
        load()
    assert exit_.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert name in said


@pytest.mark.parametrize("name", ["JWT_SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_a_wrong_value_that_may_be_secret_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv(name, "http://user:pa55word@")
    with pytest.raises(SystemExit):
        load()
    assert "pa55word" not in capsys.readouterr().err


def test_the_web_process_exits_with_1_and_one_line(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "APP_ENV": "production", "VAR_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", "import wsgi"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == "configuration error: Value error, JWT_SECRET_KEY is required when APP_ENV=production\n"
    assert list(tmp_path.iterdir()) == []
