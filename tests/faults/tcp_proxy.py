"""A TCP proxy whose line can be cut: connections break, new ones are refused, until it is mended."""

import socket
import threading
from contextlib import suppress


class TcpProxy:
    """Listens on a port of its own and passes everything on to `target`, a port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._is_cut = False
        self._lines: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and each new one at once."""
        with self._lock:
            self._is_cut = True
            for line in self._lines:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Pass on again."""
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        """End for good."""
        self.cut()
        with suppress(OSError):  # wakes who waits in `accept`
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        with self._lock:
            is_cut = self._is_cut
        try:
            if is_cut:
                raise OSError("cut")
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            near.close()
            return
        with self._lock:
            self._lines |= {near, far}
        for here, there in ((near, far), (far, near)):
            threading.Thread(target=self._pass_on, args=(here, there), daemon=True).start()

    def _pass_on(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while data := here.recv(1 << 16):
                there.sendall(data)
        with suppress(OSError):
            there.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._lines.discard(here)
        here.close()
        there.close()
