"""The state of a draft: one file beside its result, from which a promotion continues.

It is stored with the result and not with the checkpoints, so it is kept and deleted with the result, by every release.
The header says what the state belongs to. The steps continue only under the same fingerprint.
"""

from pathlib import Path

import structlog
import torch

from easyanimate.pipeline import WindowState
from jobs.errors import RecordUnreadable
from jobs.model.input_files import DRAFT_STATE
from jobs.model.stored import parse_stored
from jobs.warning_texts import DRAFT_NOT_REUSED
from worker.checkpoints.format import (
    FORMAT,
    Checkpoint,
    Computed,
    InvalidCheckpoint,
    NamedFile,
    OtherCheckpoint,
    computed_values,
)
from worker.checkpoints.state_file import load_state, read_labels, save_state, state_sha256
from worker.checkpoints.writer import ResumePoint
from worker.protocol.messages import Run

log = structlog.get_logger()

LABEL = "draft"


class DraftLabel(Computed, frozen=True):
    """What a state belongs to: the fingerprint of its run, its step, and how it was computed.

    `sha256` is its own.
    """

    format: int = FORMAT
    fingerprint: str
    step: int
    sha256: str = ""


def write_draft(path: Path, state: WindowState, label: DraftLabel) -> None:
    """Writes the state of a draft to `path`."""
    unfinished = path.with_name(f".{path.name}")
    save_state(unfinished, state)
    label = label.model_copy(update={"sha256": state_sha256(unfinished)})
    save_state(unfinished, state, {LABEL: label.model_dump_json()})
    unfinished.replace(path)


def read_draft_label(path: Path) -> DraftLabel:
    """What the state at `path` belongs to. Raises InvalidCheckpoint."""
    try:
        label = parse_stored(DraftLabel, read_labels(path).get(LABEL, ""))
    except RecordUnreadable as error:
        raise InvalidCheckpoint(f"{path.name} has no label that can be read") from error
    if label.format != FORMAT:
        raise InvalidCheckpoint(f"it has format {label.format}")
    return label


def load_draft(path: Path, fingerprint: str, device: torch.device) -> ResumePoint:
    """The point from which a promotion continues. Raises OtherCheckpoint, InvalidCheckpoint."""
    label = read_draft_label(path)
    if label.fingerprint != fingerprint:
        raise OtherCheckpoint("it belongs to another model, device or version")
    if label.sha256 != state_sha256(path):
        raise InvalidCheckpoint(f"{path.name} is damaged")
    named = NamedFile(name=f"0/{path.name}", sha256=label.sha256)
    checkpoint = Checkpoint(  # without the seconds of the draft, which are its own
        fingerprint=fingerprint,
        step=label.step,
        state=named,
        **computed_values(label),
    )
    return ResumePoint(checkpoint, load_state(path, device), path.parent)


def find_draft(run: Run, fingerprint: str, device: torch.device) -> ResumePoint | None:
    """The state that a promotion continues; None without one that fits, which is logged."""
    path = run.inputs.get(DRAFT_STATE)
    if path is None:
        return None
    try:
        return load_draft(path, fingerprint, device)
    except InvalidCheckpoint as error:
        log.warning("draft.ignored", reason=str(error))
        return None


def draft_label(run: Run) -> DraftLabel | None:
    """The label of the draft of a promotion; None without a readable one."""
    path = run.inputs.get(DRAFT_STATE)
    try:
        return None if path is None else read_draft_label(path)
    except InvalidCheckpoint:  # `find_draft` logs it
        return None


def draft_warnings(run: Run, draft: ResumePoint | None) -> tuple[str, ...]:
    """The warning of a promotion that does not continue its draft."""
    return (DRAFT_NOT_REUSED.fill(),) if DRAFT_STATE in run.inputs and draft is None else ()
