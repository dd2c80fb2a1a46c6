"""The web process: gunicorn asgi:app."""

import os

from webapp import create_app
from webapp.door import Door

# The database and the logs are nobody else's to read. Here, not in create_app: it is the process that begins.
os.umask(0o077)

app = Door(create_app())
