"""The project's own gunicorn settings for every peer, but for the check of our application's settings."""

import runpy
from pathlib import Path

settings = runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py"))
globals().update({name: value for name, value in settings.items() if name.islower() and name != "on_starting"})
