"""`estimate` and `usage` against a front end."""

from collections.abc import Callable
from typing import Any

from click.testing import Result

from tests.job_store import JobStore

Run = Callable[..., Result]
RecordOf = Callable[..., dict[str, Any]]
PROMPT = "a large red circle moving to the right on a blue background"
SMALL = (PROMPT, "--size", "128x64", "--num-frames", 16, "--steps", 10)


def test_an_estimate_has_the_options_of_submit_and_creates_nothing(
    easyanimate: Run, record_of: RecordOf, store: JobStore
) -> None:
    done = easyanimate("estimate", *SMALL, "--count", 2, "--priority", "high")
    assert done.exit_code == 0, done.output
    shape = "2 videos: 128x64, 16 frames, 1 window, 10 steps, 262144 pixel-frames; 0 videos before it"
    assert done.stdout == f"{shape}; the time is not known yet\n"
    assert record_of("estimate", *SMALL)["object"] == "video.estimate"
    assert store.newest("local", 10) == []
    refused = easyanimate("estimate", PROMPT, "--size", "100x100")
    assert (refused.exit_code, refused.stderr[:40]) == (2, "easyanimate estimate: width must be a mu")


def test_after_finished_videos_the_estimate_has_a_time_and_usage_has_rows(
    easyanimate: Run, record_of: RecordOf, finish: Callable[[str], bytes]
) -> None:
    empty = easyanimate("usage").stdout.splitlines()
    assert [line.split() for line in empty] == [
        ["day", "videos", "pixel_frames", "steps", "compute_seconds"],
        ["total", "0", "0", "0", "0.0"],
    ]
    for count in range(9):
        finish(easyanimate("submit", *SMALL).stdout.strip())
        if count == 0:
            assert easyanimate("estimate", *SMALL).stdout.endswith("; finished in about 1.5 s\n")
    assert easyanimate("estimate", *SMALL).stdout.endswith("1.5 s, with a probability of 90 % in 1.5 s\n")
    report = record_of("usage", "--by", "model")
    assert report["data"] == [{**report["total"], "day": None, "model": "easyanimate-v3-tiny"}]
    assert report["total"]["videos"] == 9
    table = easyanimate("usage", "--by", "model").stdout.splitlines()
    assert table[1].split() == ["easyanimate-v3-tiny", "9", str(9 * 128 * 64 * 16), "0", "13.5"]
    refused = easyanimate("usage", "--from", "yesterday")
    assert (refused.exit_code, "YYYY" in refused.stderr or "2026-11-30" in refused.stderr) == (2, True)
