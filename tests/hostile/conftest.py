"""Applications to attack, and a search for secrets after each test."""

from tests.shared.attacked import make_app, nothing_leaks, patience, settings, way_in

__all__ = ["make_app", "nothing_leaks", "patience", "settings", "way_in"]
