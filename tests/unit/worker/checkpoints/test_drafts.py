"""A draft ends early, and its promotion equals a straight run, counted in steps and compared bit by bit."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open

from easyanimate.errors import Interrupted
from easyanimate.files.video_file import probe
from easyanimate.pipeline import SCHEDULERS
from jobs.model.input_files import DRAFT_STATE
from jobs.model.request import VideoRequest
from jobs.model.steps import charged_pixel_frames, steps_of_window, steps_to_make
from jobs.warning_texts import DRAFT_NOT_REUSED
from worker.checkpoints.draft import load_draft, read_draft_label
from worker.checkpoints.format import InvalidCheckpoint
from worker.checkpoints.state_file import save_state
from worker.generation import fingerprint
from worker.generation.generator import VideoGenerator
from worker.protocol.control import RunControl
from worker.protocol.messages import Checkpointed, Checkpoints, Done, Resumed, Run

MODEL = "easyanimate-v3-tiny"
REQUEST: dict[str, Any] = {
    "model": MODEL, "prompt": "a red ball", "width": 32, "height": 32, "num_frames": 8, "fps": 24,
    "num_inference_steps": 5, "guidance_scale": 2.0, "scheduler": "unipc", "seed": 5, "smooth": False,
}  # fmt: skip


@dataclass
class Bench:
    """A generator, a folder, and the calls of the transformer so far."""

    generator: VideoGenerator
    folder: Path
    inputs: dict[str, Path] = field(default_factory=dict)
    calls: int = 0
    events: list[Any] = field(default_factory=list)

    def make(self, name: str, draft: Path | None = None, stop_after: float = float("inf"), **changes: Any) -> Done:
        """One attempt of the job `name`; a promotion continues `draft`. Crashes after so many checkpoints."""
        inputs = self.inputs | ({} if draft is None else {DRAFT_STATE: draft})
        keys = {f"{path.stem}_key": f"inputs/{name}/{path.name}" for path in inputs.values()}
        request = VideoRequest.model_validate(REQUEST | changes | keys)
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        attempt = len(list(folder.glob("job/*")))
        checkpoints = Checkpoints(folder / "job" / str(attempt), 0.0)
        run = Run("run", request, folder / request.result_name, inputs, checkpoints)
        self.events.clear()

        def check() -> None:
            if sum(isinstance(event, Checkpointed) for event in self.events) >= stop_after:
                raise Interrupted("as a crash would")

        return self.generator.make(run, RunControl(self.events.append, check))

    def draft(self, steps: int, name: str = "draft", **changes: Any) -> Path:
        """The state of a new draft."""
        self.make(name, draft_steps=steps, **changes)
        return self.folder / name / DRAFT_STATE

    @property
    def resumed_steps(self) -> list[int]:
        return [event.step for event in self.events if isinstance(event, Resumed)]


@pytest.fixture(scope="module")
def generator(models_dir: Path) -> VideoGenerator:
    return VideoGenerator.load(models_dir / MODEL, "cpu", "float32")


@pytest.fixture
def bench(generator: VideoGenerator, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(generator, tmp_path)

    def count(*_: Any) -> None:
        bench.calls += 1

    handle = generator.pipe.transformer.register_forward_pre_hook(count)
    yield bench
    handle.remove()


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
def test_a_promotion_equals_a_straight_run_and_repeats_no_step(bench: Bench, scheduler: str) -> None:
    straight = bench.make("straight", scheduler=scheduler)
    asked, bench.calls = bench.calls, 0
    state = bench.draft(2, scheduler=scheduler)
    assert bench.calls == 2
    promoted = bench.make("promoted", state, scheduler=scheduler, promoted_steps=2)
    assert (promoted.sha256, promoted.draft_reused) == (straight.sha256, True)
    assert bench.calls == asked == straight.steps == promoted.steps + 2


def test_the_manifest_of_a_promotion_is_that_of_a_straight_run(bench: Bench) -> None:
    bench.make("straight")
    bench.make("promoted", bench.draft(2), promoted_steps=2)
    manifests = [(bench.folder / name / "manifest.json").read_text() for name in ("straight", "promoted")]
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("mode", ["images", "one frame"])
def test_every_mode_of_one_window_can_be_promoted(bench: Bench, mode: str) -> None:
    changes: dict[str, Any] = {"scheduler": "euler_ancestral", "smooth": True}
    if mode == "one frame":
        changes |= {"num_frames": 1}
    else:
        for name, colour in (("image", "red"), ("last_image", "blue")):
            bench.inputs[f"{name}.png"] = bench.folder / f"{name}.png"
            Image.new("RGB", (32, 32), colour).save(bench.inputs[f"{name}.png"])
    straight = bench.make("straight", **changes)
    promoted = bench.make("promoted", bench.draft(3, **changes), promoted_steps=3, **changes)
    assert (promoted.sha256, promoted.draft_reused) == (straight.sha256, True)


def test_the_content_of_a_draft_is_a_whole_video_of_its_own(bench: Bench) -> None:
    straight = bench.make("straight")
    draft = bench.make("draft", draft_steps=2)
    assert probe(bench.folder / "draft" / "video.mp4").num_frames == 8
    assert draft.sha256 != straight.sha256
    assert (draft.steps, draft.draft_reused) == (2, None)


def content(path: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """Header and tensors of a state. The order of the header's fields is not the same in each file."""
    with safe_open(path, "pt") as file:
        return file.metadata(), {name: file.get_tensor(name).numpy().tobytes() for name in file.keys()}  # noqa: SIM118


def test_a_draft_that_crashes_is_resumed_to_the_same_state(bench: Bench) -> None:
    clean = content(bench.draft(3, "clean"))
    with pytest.raises(Interrupted):
        bench.make("draft", draft_steps=3, stop_after=2)
    bench.calls = 0
    again = bench.draft(3)
    assert (content(again), bench.resumed_steps, bench.calls) == (clean, [2], 1)


def test_no_checkpoint_is_written_after_the_last_step_of_a_draft(bench: Bench) -> None:
    bench.draft(3)
    assert [event.step for event in bench.events if isinstance(event, Checkpointed)] == [1, 2]


def test_a_promotion_that_crashes_is_resumed_and_has_still_reused_its_draft(bench: Bench) -> None:
    straight, state = bench.make("straight"), bench.draft(2)
    with pytest.raises(Interrupted):
        bench.make("promoted", state, stop_after=1, promoted_steps=2)
    bench.calls = 0
    promoted = bench.make("promoted", state, promoted_steps=2)
    assert (promoted.sha256, promoted.draft_reused, promoted.steps) == (straight.sha256, True, 3)
    assert (bench.resumed_steps, bench.calls) == ([3], 2)


def test_under_another_fingerprint_a_promotion_starts_at_step_0_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, state = bench.make("straight"), bench.draft(2)
    monkeypatch.setattr(fingerprint, "code_sha256", lambda: "another release")
    bench.calls = 0
    promoted = bench.make("promoted", state, promoted_steps=2)
    assert (promoted.sha256, promoted.draft_reused, promoted.steps) == (straight.sha256, False, 5)
    assert DRAFT_NOT_REUSED.fill() in promoted.warnings
    assert (bench.resumed_steps, bench.calls) == ([], 5)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "changed": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
}


def test_a_damaged_state_is_never_continued(bench: Bench) -> None:
    straight, state = bench.make("straight"), bench.draft(2)
    content, mark = state.read_bytes(), read_draft_label(state).fingerprint
    for damage in DAMAGES.values():
        state.write_bytes(damage(content))
        with pytest.raises(InvalidCheckpoint):
            load_draft(state, mark, torch.device("cpu"))
    promoted = bench.make("promoted", state, promoted_steps=2)
    assert (promoted.sha256, promoted.draft_reused) == (straight.sha256, False)


def test_eight_drafts_and_one_finished_video_cost_two_and_a_half_videos_at_most(bench: Bench) -> None:
    changes: dict[str, Any] = {"num_inference_steps": 10, "guidance_scale": 1.0}
    steps = 10
    for seed in range(8):
        bench.draft(steps // 5, f"draft{seed}", seed=seed, **changes)
    chosen = bench.folder / "draft3" / DRAFT_STATE
    promoted = bench.make("promoted", chosen, seed=3, promoted_steps=steps // 5, **changes)
    assert promoted.draft_reused
    assert bench.calls == 24 <= 2.5 * steps


def test_quotas_count_the_share_of_the_steps_that_are_made() -> None:
    request = VideoRequest.model_validate(REQUEST | {"num_inference_steps": 10})
    draft = request.model_copy(update={"draft_steps": 2})
    promotion = request.model_copy(update={"promoted_steps": 2})
    assert (steps_to_make(draft), steps_to_make(promotion), steps_of_window(request)) == (2, 8, 10)
    whole = charged_pixel_frames(request)
    assert (whole, charged_pixel_frames(draft) + charged_pixel_frames(promotion)) == (8192, whole + 1)


def test_the_state_needs_no_file_of_the_draft_job(bench: Bench) -> None:
    straight, state = bench.make("straight"), bench.draft(2)
    moved = state.rename(bench.folder / DRAFT_STATE)
    shutil.rmtree(bench.folder / "draft")
    assert bench.make("promoted", moved, promoted_steps=2).sha256 == straight.sha256


def test_a_label_with_a_field_of_a_newer_release_is_read(bench: Bench) -> None:
    state = bench.draft(2)
    label = read_draft_label(state)
    newer = state.with_name("newer.safetensors")
    save_state(newer, load_draft(state, label.fingerprint, torch.device("cpu")).state,
               {"draft": json.dumps({**label.model_dump(), "depth": 1})})  # fmt: skip
    assert load_draft(newer, label.fingerprint, torch.device("cpu")).checkpoint.step == 2
