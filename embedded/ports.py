"""Find free TCP ports of the loopback interface."""

import random
import socket

LOOPBACK = "127.0.0.1"
ATTEMPTS = 200

# Servers that are killed and restarted must get their port back. Ports that the kernel hands out to outgoing
# connections (32768 and up on Linux, 49152 and up elsewhere) may be taken meanwhile; a client that reconnects in a loop
# can even be given the dead server's own port and connect to itself.
SERVER_PORTS = range(15000, 32000)


def require_free(port: int, host: str = LOOPBACK) -> None:
    """Raise the OSError that a server would meet if it listened on this port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do, look past connections of an earlier server that are in TIME_WAIT; a listener still refuses us.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def free_port() -> int:
    """Return a loopback port that nobody listens on.

    Another process may take it before its caller does: a caller that chose freely must be ready to choose again.
    """
    for _ in range(ATTEMPTS):
        port = random.choice(SERVER_PORTS)
        try:
            require_free(port)
        except OSError:
            continue
        return port
    raise OSError(f"no free port in {ATTEMPTS} attempts between {SERVER_PORTS.start} and {SERVER_PORTS.stop - 1}")
