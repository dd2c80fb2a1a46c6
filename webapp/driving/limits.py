"""How much one account may do, so that none makes the service dear for the others.

Of starts those that made a drive are counted. One that is repeated or refused, be it for the drive that is active,
counts for nothing: an app that tries again must not find itself locked out. Of readings all are counted that a batch
brings, because those that are rejected or were there already cost as much.
"""

from flask import current_app

from webapp.config import Settings
from webapp.http.rate_limits import Limit, rate_limits


def limit_starts(user_id: str) -> None:
    """Count a drive that this account started. Raises 429."""
    rate_limits().count(Limit("starts", _settings().ratelimit_starts_per_account), user_id)


def limit_readings(user_id: str, readings: int) -> None:
    """Count the readings of a batch from this account. Raises 429."""
    rate_limits().count(Limit("readings", _settings().ratelimit_readings_per_account), user_id, amount=readings)


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings
