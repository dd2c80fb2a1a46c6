"""Rate limits of logging in and registering.

By address, because a machine that tries passwords has one; by account, because many machines may try one account.
Nobody is ever locked out of their own account by somebody else: failures are counted for account and address together,
and when an account is attacked from everywhere, an address that failed is slowed down to one attempt a minute, while
an address that did not fail is let in as before.
"""

import hashlib
from ipaddress import IPv4Address, IPv6Network, ip_address

from flask import request

from webapp.config import settings
from webapp.http.rate_limits import Limit, rate_limits

REGISTRATIONS = Limit("register", lambda: settings().ratelimit_register_per_address)
LOGINS = Limit("login", lambda: settings().ratelimit_login_per_address)
FAILURES_HERE = Limit("login-failures", lambda: settings().ratelimit_failed_logins_per_account_and_address)
FAILURES = Limit("account-failures", lambda: settings().ratelimit_failed_logins_per_account)
SLOWED_DOWN = Limit("login-slow", lambda: "1/minute")
PASSWORD_CHECKS = Limit("password-checks", lambda: "20/minute")
"""How often one account may have its present password checked from one address while it is logged in. Right ones count,
too: each takes a core for as long as a login does, and a token that allows for the next one comes with it.
"""


def limit_registration() -> None:
    """Count a registration from this address. Raises 429."""
    rate_limits().count(REGISTRATIONS, _address())


def limit_login(email: str) -> None:
    """Count an attempt from this address, and look at the failures of this account. Raises 429."""
    counters, account = rate_limits(), _account(email)
    counters.count(LOGINS, _address())
    counters.require(FAILURES_HERE, account, _address())
    if counters.is_used_up(FAILURES, account):
        counters.require(SLOWED_DOWN, account, _address())


def limit_password_check(email: str) -> None:
    """Count a check of the present password by who is logged in, as an attempt to log in too. Raises 429."""
    limit_login(email)
    rate_limits().count(PASSWORD_CHECKS, _account(email), _address())


def count_failed_login(email: str) -> None:
    """Take note of a failed attempt at this account."""
    counters, account = rate_limits(), _account(email)
    counters.note(FAILURES_HERE, account, _address())
    counters.note(FAILURES, account)
    counters.note(SLOWED_DOWN, account, _address())


def _account(email: str) -> str:
    # Redis need not know who tried to log in.
    return hashlib.sha256(email.encode()).hexdigest()[:32]


def _address() -> str:
    """Return what is counted as one address. Of IPv6 that is a network: one machine has all the addresses of a /64."""
    given = request.remote_addr or "unknown"
    try:
        address = ip_address(given)
    except ValueError:
        return given  # A unix socket, or a proxy's own idea.
    if isinstance(address, IPv4Address):
        return given
    return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False))
