"""The settings: the only place that reads the environment, for the application and for gunicorn and Celery alike.

Each field is one environment variable of the same name in capitals. A wrong value ends the process with one clear line
(see `load`). `.env.example` and the README describe every one of them; a contract test compares.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import limits
from flask import Flask, current_app
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024
MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a key for HS256 is at least as long as the hash, 256 bits."""

KNOWN_SECRETS = (
    "change-me",
    "changeme",
    "secret",
    "development",
    "dev-secret",
    "your-secret",
    "please-change",
    "0" * 16,
)
MIN_DIFFERENT_CHARACTERS = 8
MIN_HASH_MEMORY_KIB = 19_456
"""OWASP's Password Storage Cheat Sheet: argon2id with 19 MiB and two iterations."""
DEVELOPMENT_SECRET = "development-only-secret-that-production-refuses"  # noqa: S105 - production refuses it
MIN_READINGS = 4_000
"""A batch counts as up to 3,584 readings; see `driving.limits`."""


def _rate(text: str) -> str:
    try:
        amount = limits.parse(text).amount
    except ValueError as error:
        raise ValueError('must be a rate like "120/minute"') from error
    if amount < 1:
        raise ValueError("must allow at least one; RATELIMIT_ENABLED=0 turns the limits off")
    return text


Rate = Annotated[str, AfterValidator(_rate)]


class Settings(BaseSettings):
    """Validated settings. Times carry their unit in the name."""

    # An empty variable means "not set": that is how process managers spell an absent value.
    model_config = SettingsConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, env_ignore_empty=True)

    app_env: Literal["development", "production"] = "development"
    var_dir: Path = Path("var")
    host: str = "0.0.0.0"  # noqa: S104 - a web process is there to be reached
    port: int = Field(8000, ge=1, le=65_535)
    database_url: str = ""
    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_max_connections: int = Field(10, ge=1, le=1000)
    redis_tls_verify: bool = True
    celery_broker_url: str = ""
    jwt_secret_key: str = DEVELOPMENT_SECRET
    access_token_expire_minutes: int = Field(15, ge=1, le=1440)
    refresh_token_expire_days: int = Field(14, ge=1, le=365)
    session_cache_ttl: int = Field(300, ge=10, le=86_400)
    cache_probe_interval_ms: int = Field(100, ge=0, le=100)
    reconcile_interval_s: int = Field(5, ge=1, le=300)
    password_hash_memory_kib: int = Field(MIN_HASH_MEMORY_KIB, ge=8)
    web_concurrency: int | None = Field(None, ge=1, le=256)
    web_threads: int = Field(2, ge=1, le=64)
    web_max_connections: int = Field(2_500, ge=1, le=100_000)
    web_max_requests_waiting: int = Field(256, ge=1, le=10_000)
    web_max_bytes_waiting: int = Field(64 * MIB, ge=MIB)
    web_max_head_bytes: int = Field(16 * 1024, ge=1024, le=MIB)
    web_max_body_bytes: int = Field(MIB, ge=1024, le=MIB)
    web_head_timeout_s: float = Field(10, gt=0, le=300)
    web_body_timeout_s: float = Field(10, gt=0, le=25)
    web_stalled_timeout_s: float = Field(60, gt=0, le=3600)
    worker_concurrency: int = Field(2, ge=1, le=256)
    celerybeat_schedule_filename: Path | None = None
    jwt_previous_secret_keys: str = ""
    max_logins_per_user: int = Field(50, ge=1, le=1000)
    ratelimit_enabled: bool = True
    ratelimit_login_per_address: Rate = "120/minute"
    ratelimit_failed_logins_per_account_and_address: Rate = "10/minute"
    ratelimit_failed_logins_per_account: Rate = "100/hour"
    ratelimit_register_per_address: Rate = "120/minute"
    ratelimit_starts_per_account: Rate = "120/hour"
    ratelimit_readings_per_account: Rate = "2000000/day"
    trusted_proxy_hops: int = Field(0, ge=0, le=10)
    forwarded_allow_ips: str = "127.0.0.1"
    cors_origins: str = ""
    audit_kept_days: int = Field(365, ge=1, le=3650)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("database_url")
    @classmethod
    def _name_the_driver(cls, url: str) -> str:
        # Heroku hands out postgres://, which SQLAlchemy has not accepted since 1.4; and we bring psycopg 3.
        for scheme in ("postgres://", "postgresql://"):
            if url.startswith(scheme):
                return "postgresql+psycopg://" + url.removeprefix(scheme)
        if url and not url.startswith(("postgresql+psycopg://", "sqlite:///")):
            raise ValueError("must begin with postgres://, postgresql:// or sqlite:///")
        return url

    @field_validator("redis_url", "celery_broker_url")
    @classmethod
    def _name_a_redis(cls, url: str) -> str:
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix:// (a Redis Cluster cannot be the broker)")
        return url

    @field_validator("ratelimit_readings_per_account")
    @classmethod
    def _leave_room_for_a_batch(cls, rate: str) -> str:
        if limits.parse(rate).amount < MIN_READINGS:
            raise ValueError(f"must allow at least {MIN_READINGS} readings: a batch may count as nearly as many")
        return rate

    @model_validator(mode="after")
    def _refuse_a_guessable_secret(self) -> Self:
        if any(len(secret.encode()) < MIN_SECRET_BYTES for secret in self.jwt_secrets):
            raise ValueError(f"JWT_SECRET_KEY and each previous one must be at least {MIN_SECRET_BYTES} bytes long")
        if self.app_env == "production":
            if "jwt_secret_key" not in self.model_fields_set or self.jwt_secret_key == DEVELOPMENT_SECRET:
                raise ValueError("JWT_SECRET_KEY is required when APP_ENV=production")
            if any(_is_guessable(secret) for secret in self.jwt_secrets):
                raise ValueError("JWT_SECRET_KEY is a known or trivial secret; make one with: openssl rand -hex 32")
        return self

    @model_validator(mode="after")
    def _refuse_cheap_hashes(self) -> Self:
        if self.app_env == "production" and self.password_hash_memory_kib < MIN_HASH_MEMORY_KIB:
            raise ValueError(f"PASSWORD_HASH_MEMORY_KIB must be at least {MIN_HASH_MEMORY_KIB} when APP_ENV=production")
        return self

    @property
    def spare_threads(self) -> int:
        """How many web threads may be at something late without being missing to the others."""
        return 2 * self.web_threads

    @property
    def jwt_secrets(self) -> list[str]:
        """The key that signs, and the previous ones (JWT_PREVIOUS_SECRET_KEYS, with commas), which still verify."""
        return [self.jwt_secret_key, *_listed(self.jwt_previous_secret_keys)]

    @property
    def allowed_origins(self) -> list[str]:
        """The origins (CORS_ORIGINS, with commas) whose pages may call. None unless configured."""
        return _listed(self.cors_origins)

    @property
    def sqlalchemy_url(self) -> str:
        """Where the rows are: DATABASE_URL, or a SQLite file in the var folder."""
        return self.database_url or f"sqlite:///{self.var_dir.absolute()}/driving.db"

    @property
    def broker_url(self) -> str:
        """Where the tasks are, as Celery spells it: a unix socket has another scheme there."""
        url = self.celery_broker_url or self.redis_url
        return "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix://") else url

    @property
    def broker_tls(self) -> dict[str, Any] | None:
        """Celery's TLS options for a `rediss://` broker, None for any other."""
        if not self.broker_url.startswith("rediss://"):
            return None
        return {"ssl_cert_reqs": "required" if self.redis_tls_verify else "none"}

    @property
    def beat_schedule_file(self) -> Path:
        """Where beat keeps when it last ran what: CELERYBEAT_SCHEDULE_FILENAME, or a file in the var folder."""
        return self.celerybeat_schedule_filename or self.var_dir / "celerybeat-schedule"


def _is_guessable(secret: str) -> bool:
    lowered = secret.lower()
    return len(set(lowered)) < MIN_DIFFERENT_CHARACTERS or lowered.startswith((*KNOWN_SECRETS, DEVELOPMENT_SECRET))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def settings(app: Flask = current_app) -> Settings:
    """Return the settings of an application: the current one, or another."""
    found: Settings = app.config["SETTINGS"]
    return found


def load(**overrides: Any) -> Settings:
    """Read the settings from the environment; `overrides` win. Exits with status 1 and one line on a wrong value."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}".removeprefix(": ")
            for problem in error.errors(include_input=False, include_url=False)
        )
        print(f"configuration error: {problems}", file=sys.stderr)
        sys.exit(1)
