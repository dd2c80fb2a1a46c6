"""What browsers are told: security headers on every answer, and CORS only for the origins that are configured."""

from flask import Flask
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.config import Settings, settings

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""What is not meant to be shown as a page loads nothing. A page brings a policy of its own."""

ONE_YEAR_S = 31_536_000


def headers_of_every_answer(settings: Settings) -> dict[str, str]:
    """Return the security headers that every answer has, unless it brings its own."""
    hsts = {"Strict-Transport-Security": f"max-age={ONE_YEAR_S}"} if settings.app_env == "production" else {}
    return {**HEADERS, "Content-Security-Policy": API_POLICY, **hsts}


def init_app(app: Flask) -> None:
    """Allow for CORS, and say how many proxies in front of us tell the truth about addresses."""
    given = settings(app)
    if given.allowed_origins:
        exposed = ["ETag", "Location", "Retry-After", "X-Request-ID", "Cache-Status", "RateLimit", "RateLimit-Policy"]
        CORS(app, origins=given.allowed_origins, expose_headers=exposed, max_age=600)
    if given.trusted_proxy_hops:
        hops = given.trusted_proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
