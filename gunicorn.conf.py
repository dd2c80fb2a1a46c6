"""gunicorn's settings, each with its reason."""

import os
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes its own unlinked file there

bind = f"{os.environ.get('HOST') or '0.0.0.0'}:{os.environ.get('PORT') or 8000}"  # noqa: S104 - a web process is there to be reached
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or os.cpu_count() or 1)
threads = int(os.environ.get("WEB_THREADS") or 4)

# With one shared listener, keep-alive connections were seen to land all on one worker.
reuse_port = True
# Threads and sockets do not survive a fork: each worker builds its own application.
preload_app = False
timeout = 30
graceful_timeout = 15
keepalive = 5
max_requests = 5000
max_requests_jitter = 500
# The heartbeat file must not wait for a disk.
worker_tmp_dir = str(MEMORY) if MEMORY.is_dir() else None
# Since 25.1 gunicorn opens a control socket in $HOME; nothing here uses it.
control_socket_disable = True
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1"
accesslog = None  # The application writes a line for each request, with its id.
