"""Comparison of the settings of a training with those of the checkpoint it resumes from, and digests of settings."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from easyanimate.training.run.configuration import TaskSettings

# Settings that may change when a training is resumed: its length, learning rate, logging and output.
CHANGEABLE = (
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
MAX_VALUE_CHARS = 120  # of a value in an error message
SettingValues = dict[str, Any]


def fixed_settings(settings: TaskSettings, **more: Any) -> SettingValues:
    """The settings that must not change, by their name in the file, and `more`, as JSON values."""
    fixed = {name: value for name, value in _flat("", settings.model_dump(mode="json")) if not _may_change(name)}
    values: SettingValues = json.loads(json.dumps(fixed | more))
    return values


def describe_changes(before: SettingValues, now: SettingValues) -> str:
    """The changed settings that must not change, with both values; empty if there are none."""
    names = sorted(name for name in before.keys() | now.keys() if not _may_change(name))
    changed = [name for name in names if before.get(name) != now.get(name)]
    return ", ".join(f"{name} was {_short(before.get(name))} and is {_short(now.get(name))}" for name in changed)


def settings_digest(values: SettingValues) -> str:
    """A short digest of settings."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Plain values, and lists of plain values, by their name for --set, such as data.batches.0.frames."""
    is_list = isinstance(value, list) and any(isinstance(inner, dict) for inner in value)
    if not value or not (is_list or isinstance(value, dict)):
        yield name, value
        return
    for key, inner in enumerate(value) if is_list else value.items():
        yield from _flat(f"{name}.{key}" if name else str(key), inner)


def _may_change(name: str) -> bool:
    return any(name == setting or name.startswith(f"{setting}.") for setting in CHANGEABLE)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS // 2]}...{text[-MAX_VALUE_CHARS // 2 :]}"
