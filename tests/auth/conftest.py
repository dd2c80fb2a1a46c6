"""A door to knock at, and a search for secrets after each test."""

from tests.shared.attacked import door, make_app, nothing_leaks, patience, settings

__all__ = ["door", "make_app", "nothing_leaks", "patience", "settings"]
