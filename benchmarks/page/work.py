"""Measures the section `limits`: the work of each part of a clip at the published size."""

from typing import Any

from benchmarks.gpu.layers import slice_work, step_work
from benchmarks.gpu.limits import Work
from benchmarks.gpu.plans import PLANS


def measure() -> dict[str, Any]:
    """The work of one row of a step, and of slices, by part and clip; counted on the meta device."""
    plan = PLANS["published"]
    work: dict[str, dict[str, Work]] = {}
    for clip in plan.clips:
        work[str(clip)] = {"step": step_work(plan, clip), **slice_work(plan, clip)}
    return {
        clip: {name: {"operations": each.operations, "moved_bytes": each.moved_bytes} for name, each in parts.items()}
        for clip, parts in work.items()
    }
