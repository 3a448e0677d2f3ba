"""What a model must reach at least: `colour=0.97`, `i2v.first_frame_psnr=28`, `samplers.ddim.motion=0.9`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from easyanimate.errors import InvalidInput
from easyanimate.evaluation.metrics import METRIC_GROUPS
from easyanimate.evaluation.report.summary import Summary

USUAL_PART = "t2v"  # of a name without one
ALL = "everything"


@dataclass(frozen=True)
class Threshold:
    """The least that a share (0 to 1) or a mean may be."""

    part: str
    group: str
    metric: str
    least: float

    @property
    def name(self) -> str:
        """As it is said on the command line."""
        return ".".join(word for word in (self.part, self.group, self.metric) if word)

    def reached(self, summaries: Mapping[str, Mapping[str, Summary]]) -> float | None:
        """The value the model has; None if nothing was asked that tells."""
        summary = summaries.get(self.part, {}).get(self.group)
        if summary is None:
            return None
        if self.metric == ALL:
            return summary.everything.share
        if self.metric in summary.attributes:
            return summary.attributes[self.metric].share
        return summary.numbers[self.metric].mean if self.metric in summary.numbers else None


def read_threshold(text: str, groups: Mapping[str, Sequence[str]]) -> Threshold:
    """A floor as said; InvalidInput if there is no such number in an evaluation of these parts and their `groups`."""
    name, _, number = text.partition("=")
    try:
        least = float(number)
    except ValueError:
        least = math.nan
    if not math.isfinite(least):
        raise InvalidInput(f"a floor is NAME=NUMBER, as colour=0.97, got {text!r}")
    *where, metric = name.strip().split(".")
    part, group = where[0] if where else USUAL_PART, ".".join(where[1:])
    if part not in groups:
        raise InvalidInput(f"the floor {name} is of the part {part!r}; evaluated are {', '.join(groups)}")
    if group not in groups[part]:
        raise InvalidInput(f"the floor {name} needs a group of {part}: {', '.join(groups[part]) or 'none'}")
    metrics = (*METRIC_GROUPS[part].attributes, *METRIC_GROUPS[part].numbers, ALL)
    if metric not in metrics:
        raise InvalidInput(f"{part} has no number {metric!r}; it has {', '.join(metrics)}")
    return Threshold(part, group, metric, least)
