"""Generates the result of a run, an MP4 or a PNG, with one loaded model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import structlog
import torch

from easyanimate.cpu_threads import use_cpu_threads
from easyanimate.errors import CheckpointError, StateMismatch
from easyanimate.files.manifest import file_sha256
from easyanimate.memory import Profile
from easyanimate.pipeline import ClipStages
from easyanimate.pipeline.inputs.prompts import MAX_TOKENS
from easyanimate.render import AppliedLoras, ModelEnvironment, RenderInputs, render
from easyanimate.transformer.inference.compiled_blocks import compiled_blocks_of, set_compiled_blocks
from easyanimate.transformer.inference.kernel_choice import can_use_kernels, set_attention_kernels
from jobs.model.input_files import DRAFT_STATE
from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.model.states import Phase
from jobs.queue.vocabularies import Vocabulary
from worker.checkpoints.draft import DraftLabel, draft_label, draft_warnings, find_draft
from worker.checkpoints.format import Computed, computed_values
from worker.checkpoints.writer import Checkpointer, ResumePoint, find_resume_point, latest_checkpoint
from worker.generation.fingerprint import engine_fingerprint, fingerprint
from worker.generation.frame_stream import FrameStream
from worker.generation.load_pipeline import choose_device, load_pipeline
from worker.generation.loras import apply_loras
from worker.generation.manifest_settings import without_prompts
from worker.generation.pipeline_inputs import build_pipeline_inputs
from worker.generation.size_hint import suggest_smaller_size
from worker.load_options import Compile, CpuThreads, Memory
from worker.models.cards import read_card
from worker.models.tokenizer_description import describe_tokenizer
from worker.output.previews import Previews
from worker.output.video_file import check_video
from worker.protocol.control import RunControl
from worker.protocol.errors import TooLarge
from worker.protocol.messages import Done, Run
from worker.protocol.progress import PhaseTimer
from worker.windows.recorder import WindowRecorder
from worker.windows.reuse import WindowReuse

log = structlog.get_logger()


@dataclass(frozen=True)
class PreparedRun:
    """A run with its LoRAs applied. `mark` is its fingerprint in this `environment`.

    `draft` is the state of the draft that a promotion continues, None if it starts at step 0.
    """

    environment: ModelEnvironment
    loras: AppliedLoras
    mark: str
    resume: ResumePoint | None
    draft: ResumePoint | None = None

    def without_state(self) -> "PreparedRun":
        """The same run from the first step of its window."""
        if self.resume is self.draft:
            return replace(self, resume=None, draft=None)
        return replace(self, resume=self.resume.without_steps() if self.resume else None)


def computed_like(state: Computed | None, own: ModelEnvironment) -> ModelEnvironment:
    """The environment `own` with the threads and the kernels of `state`, where this process has the same choices.

    Compiled blocks are those of the threads and kernels at load, so a state of compiled blocks changes nothing.
    """
    if state is None or state.compiled is not None:
        return own
    changes: dict[str, Any] = {"compiled": None}
    if own.cpu_threads is not None and state.cpu_threads is not None:
        changes["cpu_threads"] = state.cpu_threads
    kernels = None if own.attention_kernels is None else state.attention_kernels
    if kernels is not None and can_use_kernels(kernels):
        changes["attention_kernels"] = kernels
    return replace(own, **changes)


class VideoGenerator:
    """One loaded model on one device; the files of LoRAs are in `models_dir`/loras."""

    def __init__(self, pipe: ClipStages, environment: ModelEnvironment, card: ModelCard, models_dir: Path) -> None:
        self.pipe = pipe
        self.environment = environment
        self.card = card
        self.models_dir = models_dir
        self._compiled_blocks = compiled_blocks_of(pipe.transformer)
        self.device = torch.device(environment.device)
        self.memory: Memory = environment.memory

    @classmethod
    def load(
        cls,
        folder: Path,
        device: str,
        dtype: str,
        profile: Profile = "normal",
        cpu_threads: CpuThreads = "auto",
        compile: Compile = "off",
    ) -> Self:
        """Loads the model in `folder`. "auto" is CUDA in bfloat16 where there is a device, else the CPU in float32."""
        torch_device = choose_device(device)
        if not folder.is_dir():
            raise CheckpointError(f"there is no folder {folder}")
        card = read_card(folder)
        options = torch_device, dtype, profile, cpu_threads, compile
        return cls(*load_pipeline(folder, card.name, *options), card, folder.parent)

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The tokenizer of the model, if front ends can count with it."""
        return describe_tokenizer(self.pipe.tokenizer, MAX_TOKENS)

    @torch.inference_mode()
    def make(self, run: Run, control: RunControl) -> Done:
        """Writes the result of `run` to its path, and `manifest.json` beside it.

        Resumes from the best checkpoint of another attempt. Raises Interrupted on a cancel or a pause,
        RequestRefused, BrokenVideo, or what the library raises.
        """
        try:
            return self._make(run, control)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise TooLarge(self._size_hint(run.request)) from error

    def _size_hint(self, request: VideoRequest) -> str:
        total = None
        if self.device.type == "cuda":
            total = torch.cuda.get_device_properties(self.device).total_memory
            torch.cuda.empty_cache()
        return suggest_smaller_size(request.width, request.height, request.num_frames, self.card.window, total)

    def _make(self, run: Run, control: RunControl) -> Done:
        """Resumes as the checkpoint was computed, where this process can; a run that starts is as this model."""
        own = self.environment
        stored = computed_like(latest_checkpoint(run) or draft_label(run), own)
        if stored != own:
            with self._prepare(run, control, stored) as prepared:
                if prepared.resume is not None:
                    return self._resume_or_start(run, control, prepared)
        with self._prepare(run, control, own) as prepared:
            return self._resume_or_start(run, control, prepared)

    @contextmanager
    def _prepare(self, run: Run, control: RunControl, environment: ModelEnvironment) -> Iterator[PreparedRun]:
        use_cpu_threads(environment.cpu_threads)
        set_attention_kernels(self.pipe.transformer, environment.attention_kernels)
        set_compiled_blocks(self.pipe.transformer, self._compiled_blocks if environment.compiled else None)
        with apply_loras(self.pipe, self.models_dir, run.request.loras) as loras:
            mark = fingerprint(environment, run, self.card.window, loras.used)
            draft = find_draft(run, mark, self.device)
            resume = find_resume_point(run, mark, self.device, control.send) or draft
            yield PreparedRun(environment, loras, mark, resume, draft)

    def _resume_or_start(self, run: Run, control: RunControl, prepared: PreparedRun) -> Done:
        try:
            return self._render(run, control, prepared)
        except StateMismatch as error:
            if prepared.resume is None:
                raise
            log.warning("checkpoint.ignored", reason=str(error))
            return self._render(run, control, prepared.without_state())

    def _render(self, run: Run, control: RunControl, prepared: PreparedRun) -> Done:
        path, resume = run.output_path, prepared.resume
        timer = PhaseTimer(control.send, self.device, resume.checkpoint.phase_seconds if resume else None)
        timer.enter(Phase.ENCODING)
        inputs = build_pipeline_inputs(run, self.card.window)
        stream = self._frame_stream(run, control, prepared, inputs, timer)
        manifest = render(
            stream.frames(),
            path,
            inputs,
            prepared.environment,
            prepared.loras,
            manifest_path=path.with_name("manifest.json"),
            comment=without_prompts,
        )
        stream.checkpointer.report_cost()
        check_video(path, run.request, len(manifest.frames))
        return self._done(run, prepared, inputs, stream, timer)

    def _done(
        self, run: Run, prepared: PreparedRun, inputs: RenderInputs, stream: FrameStream, timer: PhaseTimer
    ) -> Done:
        path, loras = run.output_path, prepared.loras
        draft_steps = prepared.draft.checkpoint.step if prepared.draft else 0
        reused = stream.checkpointer.reused
        return Done(
            sha256=file_sha256(path),
            size_bytes=path.stat().st_size,
            peak_memory_mb=timer.peak_memory_mb(),
            phase_seconds=timer.seconds(),
            warnings=(*stream.warnings, *loras.warnings, *draft_warnings(run, prepared.draft)),
            segment_frames=stream.segments.frames,
            drift=stream.drift.drifts,
            steps=inputs.total_steps - draft_steps - len(reused) * inputs.steps_per_window,
            draft_reused=prepared.draft is not None if DRAFT_STATE in run.inputs else None,
            num_windows=len(inputs.plan),
            reused_windows=reused,
        )

    def _frame_stream(
        self, run: Run, control: RunControl, prepared: PreparedRun, inputs: RenderInputs, timer: PhaseTimer
    ) -> FrameStream:
        """The frames of a run, with what is stored of them: checkpoints, previews and windows."""
        environment, resume = prepared.environment, prepared.resume
        computed = computed_values(environment)
        return FrameStream(
            pipe=self.pipe,
            run=run,
            inputs=inputs,
            resume=resume,
            timer=timer,
            control=control,
            checkpointer=Checkpointer(run, prepared.mark, resume, timer, control, computed),
            previews=Previews(self.pipe, control, run.request.preview_every_steps, environment.memory),
            draft=DraftLabel(fingerprint=prepared.mark, step=run.request.draft_steps or 0, **computed),
            windows=_window_reuse(run, control, prepared) if len(inputs.plan) > 1 else None,
        )


def _window_reuse(run: Run, control: RunControl, prepared: PreparedRun) -> WindowReuse | None:
    """The stored windows of a run with several; None where they are not used."""
    if run.window_scope is None:
        return None
    mark = engine_fingerprint(prepared.environment, prepared.loras.used)
    size = {"width": run.request.width, "height": run.request.height}
    recorder = WindowRecorder(run.windows_folder, control, **size)
    return WindowReuse(run.window_scope, mark, run.windows_folder, recorder, control)
