"""gunicorn's settings, each with its reason."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def number(name: str, given: str | None, default: int) -> int:
    """Read a positive number that may be left out; a wrong value is one clear line and exit 1."""
    value = given or str(default)
    if not (value.isascii() and value.isdecimal() and int(value)):
        sys.exit(f"configuration error: {name}: must be a positive number, not {value!r}")
    return int(value)


# Whatever the processes leave on the disk is nobody else's to read. gunicorn's own setting is about its sockets.
os.umask(0o077)

MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes its own unlinked file there

host = os.environ.get("HOST") or "0.0.0.0"  # noqa: S104 - a web process is there to be reached
bind = f"{host}:{number('PORT', os.environ.get('PORT'), 8000)}"
worker_class = "gthread"
workers = number("WEB_CONCURRENCY", os.environ.get("WEB_CONCURRENCY"), os.cpu_count() or 1)
threads = number("WEB_THREADS", os.environ.get("WEB_THREADS"), 4)

# With one shared listener, keep-alive connections were seen to land all on one worker.
reuse_port = True
# Threads and sockets do not survive a fork: each worker builds its own application.
preload_app = False
timeout = 30
graceful_timeout = 15
keepalive = 5
# A new worker costs more than a second of CPU time, a few hundred µs for each of 5,000 requests, which is what a cached
# read takes in all. Against a leak it is enough to begin anew every few hours.
max_requests = 100_000
max_requests_jitter = 10_000
# The heartbeat file must not wait for a disk.
worker_tmp_dir = str(MEMORY) if MEMORY.is_dir() else None
# Since 25.1 gunicorn opens a control socket in $HOME; nothing here uses it.
control_socket_disable = True
# No header says which path a request is for. gunicorn would take SCRIPT_NAME and PATH_INFO from a proxy, and a proxy
# passes on what its clients send.
forwarder_headers = ""
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1"
accesslog = None  # The application writes a line for each request, with its id.


def post_worker_init(worker: Any) -> None:
    """Have the application's own threads answer the requests: they stand aside while a password is hashed."""
    worker.tpool = worker.wsgi.extensions["threads"]


def on_starting(_server: object) -> None:
    """Check the settings before any worker starts: gunicorn would start one that exits over them again and again.

    In a process of its own, because what is imported here would stay as it is over a reload of the workers.
    """
    check = subprocess.run([sys.executable, "-c", "from webapp.config import load; load()"], check=False)
    if check.returncode:
        sys.exit(check.returncode)
