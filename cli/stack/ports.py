"""Ports of this machine."""

import random
import socket

from cli.errors import StackFailed

LISTENING_PORTS = range(20_000, 32_768)  # below the ports that Linux gives to outgoing connections
MAX_TRIES = 100

_chosen_ports: set[int] = set()  # by this process, perhaps to a server that does not listen yet
_random = random.SystemRandom()  # a seed would give the same ports to two processes


def free_port() -> int:
    """A free port of this machine that no outgoing connection can take, another one each time. Raises StackFailed."""
    if len(_chosen_ports) > len(LISTENING_PORTS) - MAX_TRIES:
        _chosen_ports.clear()
    for port in _random.sample([port for port in LISTENING_PORTS if port not in _chosen_ports], MAX_TRIES):
        if is_free("127.0.0.1", port):
            _chosen_ports.add(port)
            return port
    raise StackFailed(f"no free port between {LISTENING_PORTS.start} and {LISTENING_PORTS.stop - 1}")


def is_free(host: str, port: int) -> bool:
    """Whether a server can listen on this address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
