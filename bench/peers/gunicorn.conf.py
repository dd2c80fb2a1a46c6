"""The project's own gunicorn settings for every peer, but for what is done with our application in gunicorn's hooks."""

import runpy
from pathlib import Path

HOOKS = ("post_worker_init",)

settings = runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py"))
globals().update({name: value for name, value in settings.items() if name.islower() and name not in HOOKS})
