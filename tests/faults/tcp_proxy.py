"""A TCP proxy with faults: it closes, resets, blocks or delays its connections until it is repaired.

Before a Redis it can also reply to each command with an error, instead of the server.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from enum import StrEnum

CHUNK_BYTES = 1 << 16
SLOW_CHUNK_BYTES, SLOW_PAUSE_S = 1 << 14, 0.15
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: an RST instead of a FIN


class Mode(StrEnum):
    """The behaviour of the connections."""

    OPEN = "open"
    CUT = "cut"  # connections are closed, new ones at once
    RESET = "reset"  # the same with an RST
    SILENT = "black hole"  # connections are accepted, no data passes; open connections stay silent after the repair
    SLOW = "slow"
    REFUSED = "refused"  # each command gets an error as its reply, and does not reach the server
    RESPONSES_LOST = "responses lost"  # the request arrives; the connection is closed instead of the response


class TcpProxy:
    """Listens on its own port and forwards all data to `target`, a port of this machine.

    `hits` counts what the faults met: closed connections, and pieces of data that were dropped or delayed.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.mode = Mode.OPEN
        self.refusal = b""
        self.hits = 0
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def inject(self, mode: Mode) -> None:
        """Applies a fault to the open connections and to new ones."""
        with self._lock:
            self.mode, connections = mode, list(self._connections)
        for connection in connections:
            connection.apply(mode)

    def refuse(self, reply: bytes) -> None:
        """Replies to each command of Redis with this error; b"-BUSY text" for example."""
        with self._lock:
            self.mode, self.refusal = Mode.REFUSED, reply

    def repair(self) -> None:
        """Forwards the data of new connections again. A dead connection stays dead; its client must detect that."""
        with self._lock:
            self.mode = Mode.OPEN

    def close(self) -> None:
        """Closes all connections and the port."""
        self.inject(Mode.CUT)
        with suppress(OSError):  # ends the pending `accept`
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            connection = _Connection(self, client, server)
            with self._lock:
                self._connections.add(connection)
                mode = self.mode
            connection.apply(mode)
            connection.start()

    def count_hit(self) -> None:
        """Counts one effect of a fault."""
        with self._lock:
            self.hits += 1

    def remove(self, connection: "_Connection") -> None:
        """Removes a closed connection."""
        with self._lock:
            self._connections.discard(connection)


class _Connection:
    """One forwarded connection with its two sockets, one of the client and one of the server."""

    def __init__(self, proxy: TcpProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.ends = proxy, (client, server)
        self.is_dead = False
        self._unread = b""  # the begin of a command, while commands are refused

    def start(self) -> None:
        for source, target in (self.ends, self.ends[::-1]):
            threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def apply(self, mode: Mode) -> None:
        """Applies a fault that has just begun to this connection."""
        if mode in (Mode.CUT, Mode.RESET):
            self.proxy.count_hit()
        if mode is Mode.SILENT:
            self.is_dead = True
        elif mode is Mode.RESET:
            for end in self.ends:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._shut_down(socket.SHUT_RD)
        elif mode is Mode.CUT:
            self._shut_down(socket.SHUT_RDWR)

    def _shut_down(self, how: int) -> None:
        """Ends the pending `recv` calls; the forwarding threads close the sockets after that."""
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(how)

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(self._chunk_bytes):
                if self.proxy.mode is Mode.SLOW:
                    self.proxy.count_hit()
                    time.sleep(SLOW_PAUSE_S)
                if self.proxy.mode is Mode.RESPONSES_LOST and source is self.ends[1]:
                    self.proxy.count_hit()
                    break
                if self.is_dead:
                    self.proxy.count_hit()
                elif self.proxy.mode is Mode.REFUSED and source is self.ends[0]:
                    self._refuse(data)
                else:
                    target.sendall(data)
        if self.proxy.mode is not Mode.RESET:
            self._shut_down(socket.SHUT_RDWR)
        source.close()
        self.proxy.remove(self)

    def _refuse(self, data: bytes) -> None:
        count, self._unread = count_commands(self._unread + data)
        for _ in range(count):
            self.proxy.count_hit()
            self.ends[0].sendall(self.proxy.refusal + b"\r\n")

    @property
    def _chunk_bytes(self) -> int:
        return SLOW_CHUNK_BYTES if self.proxy.mode is Mode.SLOW else CHUNK_BYTES


def count_commands(data: bytes) -> tuple[int, bytes]:
    """The number of complete commands in the Redis protocol, and the bytes of the incomplete one."""
    count = 0
    while (end := _command_end(data)) is not None:
        count, data = count + 1, data[end:]
    return count, data


def _command_end(data: bytes) -> int | None:
    """The length of the first command: `*2`, then `$3`, `GET`, `$1`, `a`, each with CR LF."""
    if not data.startswith(b"*") or (place := data.find(b"\r\n")) < 0:
        return None
    parts, place = int(data[1:place]), place + 2
    for _ in range(parts):
        if (line := data.find(b"\r\n", place)) < 0:
            return None
        place = line + 2 + int(data[place + 1 : line]) + 2
    return place if place <= len(data) else None
