"""What must stay the same when a training goes on from a checkpoint, and what has changed if it has not."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from easyanimate.training.run.configuration import TaskSettings

# How long, how fast, how closely watched, and where to: these may change, or a training could not be helped.
FREE = (
    "run.output",
    "run.steps",
    "run.checkpoint_every",
    "run.keep_checkpoints",
    "run.sample_every",
    "run.log_every",
    "run.device",
    "optimiser.learning_rate",
    "optimiser.muon_learning_rate",
    "optimiser.warmup_steps",
    "optimiser.constant",
    "optimiser.final",
    "optimiser.max_gradient_norm",
    "optimiser.gradient_norm_rule",
    "gradient_checkpointing",
    "data.files.most_broken",
    "sample_prompts",
    "probe",
)
MAX_VALUE_CHARS = 120  # of a value, in a sentence
Facts = dict[str, Any]


def facts_of(settings: TaskSettings, **more: Any) -> Facts:
    """Settings that are not free, by their name in the file, and `more`, in JSON's values."""
    told = {name: value for name, value in _flat("", settings.model_dump(mode="json")) if not _is_free(name)}
    known: Facts = json.loads(json.dumps(told | more))
    return known


def difference(before: Facts, now: Facts) -> str:
    """What has changed of what may not, in words; empty if nothing has."""
    names = sorted(name for name in before.keys() | now.keys() if not _is_free(name))
    changed = [name for name in names if before.get(name) != now.get(name)]
    return ", ".join(f"{name} was {_said(before.get(name))} and is {_said(now.get(name))}" for name in changed)


def value_digest(facts: Facts) -> str:
    """A short name for facts: others have another."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Plain values and lists of them by name, as --set spells it: data.batches.0.frames."""
    is_list = isinstance(value, list) and any(isinstance(inner, dict) for inner in value)
    if not value or not (is_list or isinstance(value, dict)):
        yield name, value
        return
    for key, inner in enumerate(value) if is_list else value.items():
        yield from _flat(f"{name}.{key}" if name else str(key), inner)


def _is_free(name: str) -> bool:
    return any(name == free or name.startswith(f"{free}.") for free in FREE)


def _said(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS // 2]}...{text[-MAX_VALUE_CHARS // 2 :]}"
