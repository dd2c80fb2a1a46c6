"""Logs: one line per event, with fields. JSON in production, readable in development. Never a token or a password."""

import logging
import sys
from typing import Any

import structlog

from webapp.config import Settings


def configure_logs(settings: Settings) -> None:
    """Send the logs of this process to standard error, in the form for its environment."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.app_env == "production"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
