"""gunicorn's settings, each with its reason. What the environment says comes from `webapp.config`."""

import json
import os
import signal
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

ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes its own unlinked file there

bind = f"{given['host']}:{given['port']}"
workers = given["web_concurrency"] or os.cpu_count() or 1
worker_class = "asgi"
# 8 % less CPU time for a hot read than asyncio's own loop. Named, because the default takes whatever is installed.
asgi_loop = "uvloop"
# The same here: the default takes any gunicorn_h1c that something else may have brought, silently.
http_parser = "python"
# The door is told by `serving` when it begins and ends.
asgi_lifespan = "off"
# What a client that has hung up asked for is cancelled at once.
asgi_disconnect_grace_period = 0
# One listener for all workers: connections that a worker leaves behind are the next one's. With a listener for each
# (reuse_port) they are reset, and nobody listens when all end at the same moment.
reuse_port = False
# Threads and sockets do not survive a fork: each worker builds its own application.
preload_app = False
# A worker whose event loop stands still for so long is killed.
timeout = 30
# A worker ends within 6.5 s by itself (`webapp.door.serving.END_S`).
graceful_timeout = 8
# Longer than an app that uploads every few seconds is silent, and short enough for a worker that ends to wait for it.
keepalive = 5
# A new worker costs more than a second of CPU time, and is of use only against a leak: one of 100 bytes a request
# would be 200 MB by then.
max_requests = 2_000_000
# The heartbeat file must not wait for a disk.
worker_tmp_dir = str(MEMORY) if MEMORY.is_dir() else None
# Since 25.1 gunicorn opens a control socket in $HOME; nothing here uses it.
control_socket_disable = True
# The head of a request as a whole is limited by WEB_MAX_HEAD_BYTES; a single line may be all of it.
limit_request_line = limit_request_field_size = given["web_max_head_bytes"]
# No header says which path a request is for. gunicorn would take SCRIPT_NAME and PATH_INFO from a proxy, and a proxy
# passes on what its clients send.
forwarder_headers = ""
forwarded_allow_ips = given["forwarded_allow_ips"]
accesslog = None  # The application writes a line for each request, with its id.


def post_fork(_arbiter: Any, _worker: Any) -> None:
    """Have signals wait until somebody heeds them: one that comes while a worker starts would be lost."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def post_worker_init(worker: Any) -> None:
    """Have the door be served in its own way: gunicorn's has no limits, and an end that resets connections."""
    if not hasattr(worker, "asgi"):  # Another class of worker, named on a command line: Flask alone, in our threads.
        worker.tpool = worker.wsgi.extensions["threads"]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        return
    from webapp.door.serving import serve  # In the worker: what the master imports stays as it is over a reload.

    worker._serve = lambda: serve(worker, heeding=ENDING)
