"""What the process of one file does: it reads the file and returns plain values and PNGs."""

from collections.abc import Callable
from io import BytesIO
from typing import BinaryIO

from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.images.reading import read_image_bytes, read_mask_bytes
from easyanimate.media.probe.messages import ProbeAnswer, ProbeTask, TaskKind, TaskOutcome
from easyanimate.media.video.describe import describe_video
from easyanimate.provenance.checks import check_marks


def perform(task: ProbeTask, file: BinaryIO) -> ProbeAnswer:
    """Reads `file`; errors of decoders become outcomes."""
    try:
        return TASKS[task.kind](task, file)
    except (UnsupportedMedia, InvalidInput) as error:
        return ProbeAnswer(TaskOutcome.REFUSED, {"reason": str(error)})
    except MemoryError:
        return ProbeAnswer(TaskOutcome.OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001  decoders raise almost any error for damaged files
        return ProbeAnswer(TaskOutcome.DAMAGED, {"error": type(error).__name__})


def _image(task: ProbeTask, file: BinaryIO) -> ProbeAnswer:
    return _png(*read_image_bytes(file.read(), max_pixels=task.max_pixels))


def _mask(task: ProbeTask, file: BinaryIO) -> ProbeAnswer:
    mask, warnings = read_mask_bytes(file.read(), max_pixels=task.max_pixels)
    return _png(mask.convert("RGB"), warnings)


def _png(image: Image.Image, warnings: tuple[str, ...]) -> ProbeAnswer:
    out = BytesIO()
    image.save(out, "PNG", compress_level=1)
    values = {"width": image.width, "height": image.height, "warnings": list(warnings)}
    return ProbeAnswer(TaskOutcome.DONE, values, out.getvalue())


def _levels(task: ProbeTask, file: BinaryIO) -> ProbeAnswer:
    """The darkest and the lightest level at the size that the model uses."""
    with Image.open(file, formats=["PNG"]) as image:
        grey = image.convert("L").resize((task.width, task.height), Image.Resampling.NEAREST)
    darkest, lightest = grey.getextrema()
    return ProbeAnswer(TaskOutcome.DONE, {"darkest": darkest, "lightest": lightest})


def _video(_: ProbeTask, file: BinaryIO) -> ProbeAnswer:
    return ProbeAnswer(TaskOutcome.DONE, {"description": describe_video(file).to_json()})


def _marks(task: ProbeTask, file: BinaryIO) -> ProbeAnswer:
    trusted = file.read(task.trusted_bytes).decode()
    results = check_marks(BytesIO(file.read()), task.media_type, trusted)
    return ProbeAnswer(TaskOutcome.DONE, {"results": [result.to_values() for result in results]})


TASKS: dict[TaskKind, Callable[[ProbeTask, BinaryIO], ProbeAnswer]] = {
    TaskKind.IMAGE: _image,
    TaskKind.MASK: _mask,
    TaskKind.LEVELS: _levels,
    TaskKind.VIDEO: _video,
    TaskKind.MARKS: _marks,
}
