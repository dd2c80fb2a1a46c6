"""Commands for operations people: `flask users ...` and `flask cache ...`."""

import math

import click
from flask import Flask
from flask.cli import AppGroup
from redis import RedisError

from webapp.accounts import administration
from webapp.accounts.schemas import AdminChange
from webapp.auth.schemas import normalize_email
from webapp.cache import drift as cache_drift
from webapp.database import db

users = AppGroup("users", help="Accounts.")
cache = AppGroup("cache", help="The cache.")


def init_app(app: Flask) -> None:
    """Add the commands to `app`."""
    app.cli.add_command(users)
    app.cli.add_command(cache)


@users.command("promote")
@click.argument("email")
def promote(email: str) -> None:
    """Make the account of EMAIL an administrator."""
    try:
        normalized = normalize_email(email)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="EMAIL") from error
    user_id = administration.id_of(normalized)
    if user_id is None:
        raise click.ClickException(f"there is no account with the e-mail address {email}")
    administration.change(user_id, AdminChange(role="admin"), actor_id=None)
    db.session.commit()
    click.echo(f"{normalized} is an administrator.")


@cache.command("drift")
@click.option("--sample", default=1000, show_default=True, help="How many cached entries to compare.")
def drift(sample: int) -> None:
    """Compare cached entries with the database, and heal what differs."""
    try:
        report = cache_drift.measure(sample, math.inf)
    except RedisError as error:
        raise click.ClickException(f"Redis is out of reach: {error}") from error
    click.echo(f"{report.compared} compared, {report.drifted} drifted, {report.healed} healed")
    if report.drifted:
        raise click.exceptions.Exit(1)
