"""gunicorn's settings for the peers: gthread, which is what Flask runs best under, and otherwise as the project's own.
They are spelled again, because a peer's environment has none of our packages to read ours with;
tests/contracts/test_processes.py holds the two against each other.
"""

import os
from pathlib import Path

bind = f"{os.environ['HOST']}:{os.environ['PORT']}"
workers = int(os.environ.get("WEB_CONCURRENCY") or 1)
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS") or 4)
reuse_port = False
preload_app = False
timeout = 30
graceful_timeout = 8
keepalive = 5
max_requests = 2_000_000
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
control_socket_disable = True
forwarder_headers = ""
forwarded_allow_ips = "127.0.0.1"
accesslog = None
