"""The published V3 models by name, and which of a publisher's files a model needs."""

import re
from collections.abc import Collection, Iterable

from easyanimate.encoders import ENCODER_FILES
from easyanimate.errors import InvalidInput
from easyanimate.weights_file import MODEL_FILES

OWNER = "alibaba-pai"
SERIES = "EasyAnimateV3-XL-2-InP-"
SIZES = ("512x512", "768x768", "960x960")
PUBLISHED = tuple(SERIES + size for size in SIZES)

# The files of weights each folder may hold, best first: what the loaders look for.
WEIGHTS = {
    "text_encoder": ENCODER_FILES,
    "image_encoder": ENCODER_FILES,
    "vae": MODEL_FILES,
    "transformer": MODEL_FILES,
}
_OTHER_FOLDERS = ("tokenizer", "scheduler")  # no loader reads the scheduler's, but it belongs to the layout
_SETTINGS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.(json|model|txt)")


def published_name(name: str) -> str:
    """The folder name of the published model that `name` means: its own, with the owner before it, 512 or 512x512."""
    bare = name.removeprefix(f"{OWNER}/").removeprefix(SERIES)
    for size in SIZES:
        if bare in (size, size.split("x")[0]):
            return SERIES + size
    raise InvalidInput(f"{name!r} is no published model; take one of {', '.join(PUBLISHED)}, or short: 512, 768, 960")


def needed_files(paths: Iterable[str]) -> list[str]:
    """Those of a repository's `paths` that the loaders read: settings, and one set of weights in each folder."""
    found = set(paths)
    needed = {"model_index.json"} & found
    for folder in (*WEIGHTS, *_OTHER_FOLDERS):
        inside = {path.removeprefix(f"{folder}/") for path in found if path.startswith(f"{folder}/")}
        chosen = {name for name in inside if _SETTINGS.fullmatch(name) and not name.endswith(".index.json")}
        chosen |= _one_set(inside, WEIGHTS.get(folder, ()))
        needed |= {f"{folder}/{name}" for name in chosen}
    return sorted(needed)


def _one_set(inside: Collection[str], best_first: Iterable[str]) -> set[str]:
    """The first of the files in `best_first` that is `inside`, or its index and pieces."""
    for name in best_first:
        if name in inside:
            return {name}
        if f"{name}.index.json" in inside:
            stem, _, ending = name.rpartition(".")
            piece = re.compile(rf"{re.escape(stem)}-\d+-of-\d+\.{ending}")
            return {f"{name}.index.json"} | {file for file in inside if piece.fullmatch(file)}
    return set()
