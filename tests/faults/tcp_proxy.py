"""A TCP proxy that treats its lines as bad networks do: cuts, resets, goes silent, dawdles, until it is mended."""

import socket
import struct
import threading
import time
from contextlib import suppress
from enum import StrEnum

PIECE_BYTES = 1 << 16
SLOW_PIECE_BYTES, SLOW_PAUSE_S = 1 << 14, 0.15
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: an RST in the place of a FIN


class Mode(StrEnum):
    """How the lines are."""

    OPEN = "open"
    CUT = "cut"  # closed, and each new one at once
    RESET = "reset"  # the same with an RST
    SILENT = "black hole"  # accepted, nothing is answered; who was there when it began hears nothing ever after
    SLOW = "slow"
    ANSWERS_LOST = "answers lost"  # what is asked arrives; the line is closed in the place of the answer


class TcpProxy:
    """Listens on a port of its own and passes everything on to `target`, a port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.mode = Mode.OPEN
        self._lines: set[_Line] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def spoil(self, mode: Mode) -> None:
        """From now on the lines are like this: those there are and new ones."""
        with self._lock:
            self.mode, lines = mode, list(self._lines)
        for line in lines:
            line.meet(mode)

    def mend(self) -> None:
        """Pass on again. A line that is dead stays dead: whoever has it finds out, or waits for ever."""
        with self._lock:
            self.mode = Mode.OPEN

    def close(self) -> None:
        """End for good."""
        self.spoil(Mode.CUT)
        with suppress(OSError):  # wakes who waits in `accept`
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            line = _Line(self, near, far)
            with self._lock:
                self._lines.add(line)
                mode = self.mode
            line.meet(mode)
            line.start()

    def forget(self, line: "_Line") -> None:
        """It has ended."""
        with self._lock:
            self._lines.discard(line)


class _Line:
    """One connection: `near` is who called us, `far` whom they wanted."""

    def __init__(self, proxy: TcpProxy, near: socket.socket, far: socket.socket) -> None:
        self.proxy, self.ends = proxy, (near, far)
        self.is_dead = False

    def start(self) -> None:
        for here, there in (self.ends, self.ends[::-1]):
            threading.Thread(target=self._pass_on, args=(here, there), daemon=True).start()

    def meet(self, mode: Mode) -> None:
        """What begins to be now, this line has to bear."""
        if mode is Mode.SILENT:
            self.is_dead = True
        elif mode is Mode.RESET:
            for end in self.ends:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._wake(socket.SHUT_RD)
        elif mode is Mode.CUT:
            self._wake(socket.SHUT_RDWR)

    def _wake(self, how: int) -> None:
        """A socket is closed only when nobody waits in its `recv` any more."""
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(how)

    def _pass_on(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while data := here.recv(self._piece_bytes):
                if self.proxy.mode is Mode.SLOW:
                    time.sleep(SLOW_PAUSE_S)
                if self.proxy.mode is Mode.ANSWERS_LOST and here is self.ends[1]:
                    break
                if not self.is_dead:
                    there.sendall(data)
        if self.proxy.mode is not Mode.RESET:
            self._wake(socket.SHUT_RDWR)
        here.close()
        self.proxy.forget(self)

    @property
    def _piece_bytes(self) -> int:
        return SLOW_PIECE_BYTES if self.proxy.mode is Mode.SLOW else PIECE_BYTES
