"""Marks the files of an attempt before they are stored: result, images, previews, and the list of segments."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from easyanimate.files.manifest import file_sha256
from easyanimate.provenance.claims import ClaimIngredient, ProvenanceClaim
from easyanimate.provenance.marking import ProvenanceMarker
from easyanimate.provenance.segment_list import ListedSegment, write_segment_list
from jobs.model.input_files import input_field
from jobs.model.job import Job
from jobs.model.result_files import FILES, IMAGES, SEGMENT_LIST, Variant, segment_name
from jobs.storage.paths import content_type_of
from jobs.version import VERSION
from worker.protocol.messages import Done

PROMPTS = ("prompt", "negative_prompt")
SOURCE_FILE = "video.mp4"  # of the inputs


class AttemptMarks:
    """The marks of one attempt at `job`, whose files are in `folder`."""

    def __init__(self, marker: ProvenanceMarker, job: Job, folder: Path) -> None:
        self.marker = marker
        self.job = job
        self.folder = folder
        self.segments: dict[str, ListedSegment] = {}

    def mark_preview(self, image: bytes) -> bytes:
        """The marked bytes of a preview, a WebP."""
        return self.marker.mark_image(image, "image/webp", self._claim("preview"))

    def add_segment(self, number: int, num_frames: int) -> bytes:
        """Adds a segment to the signed list and returns the list."""
        name = segment_name(number)
        self.segments[name] = ListedSegment(name, file_sha256(self.folder / name), num_frames)
        listed = [self.segments[each] for each in sorted(self.segments)]
        return write_segment_list(listed, self.marker, self._claim(SEGMENT_LIST))

    def mark_result(self, path: Path, done: Done, inputs: Mapping[str, Path]) -> Done:
        """Marks the result at `path` and the images beside it, and writes the list of all segments.

        Returns `done` with the digest and the size of the marked file, and the digests of the segments.
        """
        manifest = self._reproduction(path.with_name(FILES[Variant.MANIFEST]))
        claim = replace(
            self._claim(self.job.id),
            model_sha256=manifest.get("model_sha256", ""),
            unsigned_sha256=done.sha256,
            reproduction=manifest,
            ingredients=tuple(self._ingredients(inputs)),
        )
        self.marker.mark_file(path, claim)
        for image in (path.with_name(name) for name in IMAGES):
            if image.exists():
                self.marker.mark_file(image, self._claim(image.stem))
        for number, num_frames in enumerate(done.segment_frames):
            content = self.add_segment(number, num_frames)
            if number == len(done.segment_frames) - 1:
                path.with_name(SEGMENT_LIST).write_bytes(content)
        digests = tuple(self.segments[segment_name(i)].sha256 for i in range(len(done.segment_frames)))
        return replace(
            done,
            sha256=file_sha256(path),
            unsigned_sha256=done.sha256,
            size_bytes=path.stat().st_size,
            segment_sha256=digests,
        )

    def _claim(self, title: str) -> ProvenanceClaim:
        return ProvenanceClaim(title=title, version=VERSION, model=self.job.request.model, video_id=self.job.id)

    def _reproduction(self, path: Path) -> dict[str, Any]:
        """The manifest of the project without prompts."""
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return without_prompt_texts(manifest)

    def _ingredients(self, inputs: Mapping[str, Path]) -> list[ClaimIngredient]:
        """The inputs with their digests. The source video keeps its own manifest if this installation made it.

        The manifest of a foreign file is not read here: this process has the signing key.
        """
        ingredients = []
        for name, path in inputs.items():
            is_own = name == SOURCE_FILE and self.job.source is not None
            title = self.job.source if is_own and self.job.source else input_field(name)
            own_path = path if is_own else None
            ingredients.append(ClaimIngredient(title, content_type_of(name), file_sha256(path), own_path))
        earlier = filter(None, (self.job.remixed_from, self.job.promoted_from))
        return [*ingredients, *(ClaimIngredient(video_id, "video/mp4", "") for video_id in earlier)]


def without_prompt_texts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without the prompts of the video and of its shots."""
    settings = _without(manifest["settings"])
    if settings.get("shots"):
        settings["shots"] = [_without(shot) for shot in settings["shots"]]
    return {**manifest, "settings": settings}


def _without(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in PROMPTS}
