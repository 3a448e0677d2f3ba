"""Minimum values of metrics, such as `colour=0.97`, `i2v.first_frame_psnr=28` or `samplers.ddim.motion=0.9`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from easyanimate.errors import InvalidInput
from easyanimate.evaluation.metrics import METRIC_GROUPS
from easyanimate.evaluation.report.summary import Summary

DEFAULT_PART = "t2v"  # of a name without a part
ALL = "everything"


@dataclass(frozen=True)
class Threshold:
    """The minimum of a share (0 to 1) or of a mean."""

    part: str
    group: str
    metric: str
    minimum: float

    @property
    def name(self) -> str:
        """The name on the command line."""
        return ".".join(word for word in (self.part, self.group, self.metric) if word)

    def value(self, summaries: Mapping[str, Mapping[str, Summary]]) -> float | None:
        """The measured value; None if the evaluation does not contain it."""
        summary = summaries.get(self.part, {}).get(self.group)
        if summary is None:
            return None
        if self.metric == ALL:
            return summary.everything.share
        if self.metric in summary.attributes:
            return summary.attributes[self.metric].share
        return summary.numbers[self.metric].mean if self.metric in summary.numbers else None


def read_threshold(text: str, groups: Mapping[str, Sequence[str]]) -> Threshold:
    """The threshold of a text. Raises InvalidInput if an evaluation with these `groups` has no such number."""
    name, _, number = text.partition("=")
    try:
        minimum = float(number)
    except ValueError:
        minimum = math.nan
    if not math.isfinite(minimum):
        raise InvalidInput(f"a floor is NAME=NUMBER, for example colour=0.97, got {text!r}")
    *where, metric = name.strip().split(".")
    part, group = where[0] if where else DEFAULT_PART, ".".join(where[1:])
    if part not in groups:
        raise InvalidInput(f"the floor {name} is of the part {part!r}; evaluated are {', '.join(groups)}")
    if group not in groups[part]:
        raise InvalidInput(f"the floor {name} needs a group of {part}: {', '.join(groups[part]) or 'none'}")
    metrics = (*METRIC_GROUPS[part].attributes, *METRIC_GROUPS[part].numbers, ALL)
    if metric not in metrics:
        raise InvalidInput(f"{part} has no number {metric!r}; it has {', '.join(metrics)}")
    return Threshold(part, group, metric, minimum)
