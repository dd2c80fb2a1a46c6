"""gunicorn's settings, each with its reason. What the environment says comes from `webapp.config`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def read_settings() -> dict[str, Any]:
    """Read the settings; a wrong one ends gunicorn before any worker starts, with one line.

    In a process of its own, because what is imported here would stay as it is over a reload of the workers.
    """
    program = "import sys; sys.path.insert(0, ''); from webapp.config import load; print(load().model_dump_json())"
    read = subprocess.run([sys.executable, "-c", program], cwd=HERE, stdout=subprocess.PIPE, check=False)
    if read.returncode:
        sys.exit(read.returncode)
    found: dict[str, Any] = json.loads(read.stdout)
    return found


given = read_settings()

# Whatever the processes leave on the disk is nobody else's to read. gunicorn's own setting is about its sockets.
os.umask(0o077)

MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes its own unlinked file there

bind = f"{given['host']}:{given['port']}"
worker_class = "gthread"
workers = given["web_concurrency"] or os.cpu_count() or 1
threads = given["web_threads"]

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
forwarded_allow_ips = given["forwarded_allow_ips"]
accesslog = None  # The application writes a line for each request, with its id.


def post_worker_init(worker: Any) -> None:
    """Have the application's own threads answer the requests: they stand aside while a password is hashed."""
    worker.tpool = worker.wsgi.extensions["threads"]
