"""A door to knock at, Mallory who does, and a search for secrets after each test."""

from tests.shared.attacked import door, make_app, mallory, nothing_leaks, patience, settings

__all__ = ["door", "make_app", "mallory", "nothing_leaks", "patience", "settings"]
