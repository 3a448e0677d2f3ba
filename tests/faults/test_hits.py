"""Counts of what a fault met, by a TCP proxy, an HTTP proxy and a skewed clock; and the goals of the figures."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults import __main__ as command
from tests.faults import environment, report, scenario
from tests.faults.faults import of_s3_responses
from tests.faults.installation import Installation, has_ended, wait_until
from tests.faults.report import Figure, table
from tests.faults.scenario import Outcome
from tests.faults.tcp_proxy import Mode, TcpProxy, count_commands
from tests.integration.jobs.storage import faulty_wire

FOLDER = Path(__file__).parent


@pytest.fixture
def echo_port() -> Iterator[int]:
    """The port of a server that sends each piece of data back."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=echo, args=[server.accept()[0]], daemon=True).start()

        def echo(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo_port: int) -> Iterator[TcpProxy]:
    proxy = TcpProxy(echo_port)
    yield proxy
    proxy.close()


def exchange(connection: socket.socket) -> bytes:
    """Sends a piece of data; returns the reply, empty if there is none."""
    with suppress(OSError):
        connection.sendall(b"ping")
        return connection.recv(100)
    return b""


@pytest.mark.parametrize("mode", sorted(set(Mode) - {Mode.OPEN, Mode.REFUSED}))
def test_a_proxy_counts_what_its_fault_meets(proxy: TcpProxy, mode: Mode) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
        assert exchange(connection) == b"ping"
        assert proxy.hits == 0
        proxy.inject(mode)
        connection.settimeout(0.5 if mode is Mode.SILENT else 60)  # no reply comes
        assert exchange(connection) == (b"ping" if mode is Mode.SLOW else b"")
        wait_until(lambda: proxy.hits > 0, "the fault is counted")


@pytest.mark.parametrize("mode", [Mode.CUT, Mode.RESET, Mode.SILENT, Mode.SLOW, Mode.RESPONSES_LOST])
def test_a_fault_that_meets_no_connection_counts_nothing(proxy: TcpProxy, mode: Mode) -> None:
    proxy.inject(mode)
    proxy.repair()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
        assert exchange(connection) == b"ping"
    assert proxy.hits == 0


def test_a_wire_counts_the_requests_with_a_fault_by_job(tmp_path: Path) -> None:
    installation = Installation(tmp_path, tmp_path)
    wire = installation.wire
    wire.faults, wire.permanent = [faulty_wire.Fault("GET", status=503)], (faulty_wire.Fault("PUT", status=503),)
    for method, path in (("GET", "/a/1"), ("GET", "/a/2"), ("PUT", "/b/3"), ("PUT", "/b/4"), ("HEAD", "/b/5")):
        wire.next_fault(method, path)
    assert wire.hit_paths == ["/a/1", "/b/3", "/b/4"]
    assert [of_s3_responses(installation, "worker-0", job) for job in ("a", "b", "c")] == [1, 2, 0]
    installation.stop()
    installation.receiver.close()


@pytest.mark.parametrize(("skew_s", "count"), [(0.0, 0), (3600.0, 3), (-7200.0, 3)])
def test_a_skewed_clock_counts_the_wrong_times(tmp_path: Path, skew_s: float, count: int) -> None:
    (tmp_path / "clock").write_bytes(struct.pack("dq", skew_s, 0))
    program = "import time, datetime; print(time.time() - time.clock_gettime(0)); time.time(); datetime.datetime.now()"
    environment = {**os.environ, "PYTHONPATH": str(FOLDER / "skewed_clock"), "SKEWED_CLOCK": str(tmp_path / "clock")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(skew_s, abs=60)
    assert struct.unpack("dq", (tmp_path / "clock").read_bytes()) == (skew_s, count)


def test_a_process_has_ended_when_it_waits_for_its_parent_only() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not has_ended(child.pid)
    child.send_signal(signal.SIGKILL)
    wait_until(lambda: has_ended(child.pid), "the child has ended")
    child.communicate()
    assert has_ended(child.pid)


@pytest.mark.parametrize("phase", [*scenario.SETUPS, "submit", ""])
def test_a_fault_without_a_hit_is_a_failure_except_in_the_last_phase(phase: str) -> None:
    assert Outcome("a fault", phase, 1.0, 1, None, 1).hits == 1
    if phase == "committing":
        assert Outcome("a fault", phase, 1.0, 1, None, 0).hits == 0
    else:
        with pytest.raises(AssertionError, match=f"a fault, {phase}: the fault met nothing"):
            Outcome("a fault", phase, 1.0, 1, None, 0)


def test_the_table_has_the_hits_of_each_outcome() -> None:
    head, _, row = table([Outcome("a fault", "loading", None, 2, 3, 17)])
    assert head == "| fault | phase | hits | resumes after s | attempts | steps repeated |"
    assert row == "| a fault | loading | 17 | had ended | 2 | 3 |"


@pytest.mark.parametrize(
    ("goal", "values", "is_missed"),
    [(5, [1, 5], False), (5, [1, 5.2], True), (0, [0, 0], False), (0, [0, 1], True), (None, [1, 9e9], False)],
)
def test_a_goal_is_missed_by_a_99th_percentile_above_it(
    goal: float | None, values: list[float], is_missed: bool
) -> None:
    figure = Figure("s to do it", goal, values)
    assert figure.is_missed == is_missed
    assert ("**missed**" in figure.row()) == is_missed


@pytest.mark.parametrize(
    ("figures", "failures", "code"),
    [
        ([Figure("a", 2, [1, 1])], [], 0),
        ([Figure("a", 2, [1, 1]), Figure("b", 2, [1, 3])], [], 1),
        ([Figure("a", 2, [1, 1])], ["cancelled: it broke"], 1),
    ],
)
def test_a_missed_goal_fails_the_command_and_is_in_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: list[Figure], failures: list[str], code: int
) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    monkeypatch.setattr(report, "PAGE", page)
    assert command.write_figures(figures, failures, 7, 0.0) == code
    text = page.read_text()
    assert text.startswith("before\n<!-- figures: begin -->")
    assert text.endswith("<!-- figures: end -->\nafter\n")
    assert ("FAILED: the goal is missed: b" in text, "FAILED: cancelled: it broke" in text) == (
        len(figures) > 1,
        bool(failures),
    )
    assert "| a | 2 | 1.0 | 1.0 | 2 |" in text
    assert " commit " in text.splitlines()[2]


def test_the_api_reports_a_fault_within_a_minute() -> None:
    assert environment.RESPONSE_TIMEOUT_S == 60


def test_a_refused_command_gets_the_error_and_does_not_reach_the_server(proxy: TcpProxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as connection:
        assert exchange(connection) == b"ping"
        proxy.refuse(b"-BUSY a script runs")
        connection.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPI")
        assert connection.recv(100) == b"-BUSY a script runs\r\n"
        connection.sendall(b"NG\r\n")
        assert connection.recv(100) == b"-BUSY a script runs\r\n"
        assert proxy.hits == 2
        proxy.repair()
        assert exchange(connection) == b"ping"


def test_commands_are_counted_by_their_lengths() -> None:
    command = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$6\r\n*1\r\n$1\r\n"
    assert count_commands(command * 3) == (3, b"")
    for end in range(len(command)):
        assert count_commands(command + command[:end]) == (1, command[:end])
