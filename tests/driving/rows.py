"""Rows of drives, moved in the server's time."""

from typing import Any

from flask import Flask
from sqlalchemy import update

from webapp.database import db
from webapp.models import DrivingSession


def set_row(app: Flask, session_id: str, **values: Any) -> None:
    """Set columns that no client sees."""
    with app.app_context():
        statement = update(DrivingSession).where(DrivingSession.id == session_id).values(**values)
        db.session.execute(statement, execution_options={"changes_nothing_cached": True})
        db.session.commit()
