"""What browsers are told: security headers on every answer, and CORS only for the origins that are configured."""

from flask import Flask, Response
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.config import Settings

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
ONE_YEAR_S = 31_536_000


def headers_of_every_answer(settings: Settings) -> dict[str, str]:
    """Return the security headers that every answer has."""
    hsts = {"Strict-Transport-Security": f"max-age={ONE_YEAR_S}"} if settings.app_env == "production" else {}
    return {**HEADERS, "Content-Security-Policy": API_POLICY, **hsts}


def init_browsers(app: Flask, settings: Settings) -> None:
    """Set the headers of every answer, CORS, and how many proxies in front of us tell the truth about addresses."""

    always = headers_of_every_answer(settings)

    @app.after_request
    def set_headers(response: Response) -> Response:
        for name, value in always.items():
            response.headers.setdefault(name, value)  # A page has a policy of its own.
        return response

    if settings.allowed_origins:
        exposed = ["ETag", "Location", "Retry-After", "X-Request-ID", "Cache-Status", "RateLimit", "RateLimit-Policy"]
        CORS(app, origins=settings.allowed_origins, expose_headers=exposed, max_age=600)
    if settings.trusted_proxy_hops:
        hops = settings.trusted_proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
