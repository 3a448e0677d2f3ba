"""A request made into an MP4 or a PNG: inputs, LoRAs, windows, frames streamed to a file, and the story of it all."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import structlog
import torch

from easyanimate import EasyAnimatePipeline
from easyanimate.errors import CheckpointError, StateMismatch
from easyanimate.files.manifest import FrameHashes, UsedLora, file_sha256
from jobs.model.model_card import ModelCard
from jobs.model.states import Phase
from worker.checkpoints.writer import Checkpointer, ResumePoint, find
from worker.generation import manifest
from worker.generation.fingerprint import fingerprint
from worker.generation.frame_stream import FrameStream
from worker.generation.load_pipeline import choose_device, load_pipeline
from worker.generation.loras import apply_loras
from worker.generation.manifest import ModelEnvironment
from worker.generation.size_hint import suggest_smaller_size
from worker.models.cards import read_card
from worker.output.previews import Previews
from worker.output.thumbnails import ThumbnailBuilder
from worker.output.video_file import finalize, result_file
from worker.protocol.control import RunControl
from worker.protocol.errors import TooLarge
from worker.protocol.messages import Done, Event, Run
from worker.protocol.progress import PhaseTimer
from worker.settings import Memory

log = structlog.get_logger()

Check = Callable[[], None]


class VideoGenerator:
    """One loaded model on one device; LoRAs lie in `models_dir`/loras."""

    def __init__(self, pipe: EasyAnimatePipeline, place: ModelEnvironment, card: ModelCard, models_dir: Path) -> None:
        self.pipe = pipe
        self.place = place
        self.card = card
        self.models_dir = models_dir
        self.device = torch.device(place.device)
        self.memory: Memory = place.memory

    @classmethod
    def load(cls, folder: Path, device: str, dtype: str, memory: Memory = "auto") -> Self:
        """The model in `folder`. "auto" takes CUDA if there is any, in bfloat16; else the CPU, in float32."""
        on = choose_device(device)
        if not folder.is_dir():
            raise CheckpointError(f"there is no folder {folder}")
        card = read_card(folder)
        return cls(*load_pipeline(folder, card, on, dtype, memory), card, folder.parent)

    @torch.inference_mode()
    def make(
        self, run: Run, tell: Callable[[Event], None], check: Check, wants_pause: Callable[[], bool] = lambda: False
    ) -> Done:
        """The video of `run`, at its path, and `manifest.json` beside it.

        Goes on from the checkpoint of another attempt if there is a good one. Raises Interrupted from `check` or when
        it `wants_pause`, Refused, BrokenVideo, or what the library raises.
        """
        try:
            return self._make_or_go_on(run, RunControl(tell, check, wants_pause))
        except (torch.OutOfMemoryError, MemoryError) as error:
            asked, total = run.request, None
            if self.device.type == "cuda":
                total = torch.cuda.get_device_properties(self.device).total_memory
                torch.cuda.empty_cache()
            told = suggest_smaller_size(asked.width, asked.height, asked.num_frames, self.card.window, total)
            raise TooLarge(told) from error

    def _make_or_go_on(self, run: Run, contact: RunControl) -> Done:
        with apply_loras(self.pipe, self.models_dir, run.request.loras) as (loras, lora_warnings):
            mark = fingerprint(self.place, run, self.card.window, loras)
            found = find(run, mark, self.device)
            try:
                return self._make(run, contact, mark, found, loras, lora_warnings)
            except StateMismatch as error:
                if found is None:
                    raise
                log.warning("checkpoint.ignored", reason=str(error))
                return self._make(run, contact, mark, found.without_steps(), loras, lora_warnings)

    def _make(
        self,
        run: Run,
        contact: RunControl,
        mark: str,
        found: ResumePoint | None,
        loras: tuple[UsedLora, ...],
        lora_warnings: tuple[str, ...],
    ) -> Done:
        watch = PhaseTimer(contact.tell, self.device, found.checkpoint.phase_seconds if found else None)
        watch.enter(Phase.ENCODING)
        hashes = FrameHashes()
        gallery = ThumbnailBuilder(run.request)
        previews = Previews(self.pipe, contact, run.request.preview_every_steps, self.place.memory)
        checkpointer = Checkpointer(run, mark, found, watch, contact)
        making = FrameStream(self.pipe, self.card, run, found, watch, contact, checkpointer, previews)
        with result_file(run.output_path, run.request) as write:
            for frames in making.frames():
                hashes.add(frames)
                gallery.add(frames)
                write(frames)
                making.wrote(frames)
                contact.check_all()
            watch.enter(Phase.MUXING)
            gallery.save(run.output_path.parent)
        checkpointer.report_cost()
        made = manifest.build_manifest(self.place, run, self.card.window, loras, hashes.all())
        finalize(run.output_path, run.request, manifest.without_prompts(made))
        run.output_path.with_name("manifest.json").write_text(made.to_json(), encoding="utf-8")
        return Done(
            sha256=file_sha256(run.output_path),
            size_bytes=run.output_path.stat().st_size,
            peak_memory_mb=watch.peak_memory_mb(),
            phase_seconds=watch.seconds(),
            warnings=(*making.warnings, *lora_warnings),
            segment_frames=making.segments.frames,
        )
