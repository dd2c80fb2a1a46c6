"""A gate to knock at, Mallory who does, and a search for secrets after each test."""

from tests.shared.attacked import gate, make_app, mallory, nothing_leaks, patience, settings, way_in

__all__ = ["gate", "make_app", "mallory", "nothing_leaks", "patience", "settings", "way_in"]
