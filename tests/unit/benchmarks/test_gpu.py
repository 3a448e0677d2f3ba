"""The benchmark of a GPU at its small size on the CPU."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import __main__ as program
from benchmarks.gpu.limits import Rates, Work
from benchmarks.gpu.records import Record, report, table
from benchmarks.gpu.timing import Stopwatch, Timing

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("gpu") / "result.json"
    program.main(["--plan", "tiny", "--device", "cpu", "--output", str(path)])
    return dict(json.loads(path.read_text()))


def test_each_part_has_a_figure_and_a_limit(values: dict[str, Any]) -> None:
    parts = {record["part"] for record in values["records"] if record["seconds"]}
    assert parts == {"attention", "block", "step", "encode a slice", "decode three slices", "whole clip"}
    assert all(record["limit_s"] > 0 and record["operations"] > 0 for record in values["records"])


def test_both_paths_are_measured(values: dict[str, Any]) -> None:
    for part in ("block", "step", "whole clip"):
        ways = {record["way"] for record in values["records"] if record["part"] == part and record["seconds"]}
        assert ways == {"first release", "this"}


def test_a_kernel_that_does_not_run_here_has_a_reason(values: dict[str, Any]) -> None:
    cudnn = [record for record in values["records"] if record["way"] == "cudnn"]
    assert cudnn
    assert all(record["seconds"] is None and record["failure"] for record in cudnn)


def test_the_table_has_all_records(values: dict[str, Any]) -> None:
    assert table(values).count("\n| ") == len(values["records"]) + 2


def test_no_device_is_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        program.main([])
    assert "torch sees no CUDA device here" in capsys.readouterr().err


def out_of_memory() -> None:
    raise torch.OutOfMemoryError


def test_a_call_without_memory_or_time_is_named() -> None:
    assert Stopwatch(CPU, 1).measure(out_of_memory) == Timing(failure="out of memory")
    assert Stopwatch(CPU, 0).measure(out_of_memory) == Timing(failure="not run: the time is over")


def test_the_limit_is_that_of_the_slower_resource() -> None:
    rates = Rates(products=10.0, copies=2.0)
    assert Work(operations=100, moved_bytes=4).limit_s(rates) == 10
    assert Work(operations=10, moved_bytes=4).limit_s(rates) == 2


def test_a_missing_figure_keeps_its_cell(tmp_path: Path) -> None:
    record = Record("step", "a clip", "this", Timing(failure="out of memory"), Work(100, 4))
    assert "| step | a clip | this | out of memory | 10 |  |  |" in table(report("tiny", Rates(10, 2), [record], CPU))
