"""Flask alone, for flask's commands and for any WSGI server. What the Procfile serves is `asgi.app`."""

import os

from webapp import create_app

# The database and the logs are nobody else's to read. Here, not in create_app: it is the process that begins.
os.umask(0o077)

app = create_app()
