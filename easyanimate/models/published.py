"""The names of the published V3 models, and the files of a publisher that a model needs."""

import re
from collections.abc import Callable, Collection, Iterable

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.weights.model_files import WEIGHTS, choose_weights, read_index

OWNER = "alibaba-pai"
SERIES = "EasyAnimateV3-XL-2-InP-"
SIZES = ("512x512", "768x768", "960x960")
PUBLISHED = tuple(SERIES + size for size in SIZES)

_OTHER_FOLDERS = ("tokenizer", "scheduler")  # no loader reads the scheduler folder, but it belongs to the layout
_INDEX = re.compile(r"\.index(\.\w+)?\.json$")
_SETTINGS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.(json|model|txt)")


def published_name(name: str) -> str:
    """The folder name of a published model from its name, with or without owner, or from 512 or 512x512."""
    bare = name.removeprefix(f"{OWNER}/").removeprefix(SERIES)
    for size in SIZES:
        if bare in (size, size.split("x")[0]):
            return SERIES + size
    raise InvalidInput(f"{name!r} is no published model; use one of {', '.join(PUBLISHED)}, or short: 512, 768, 960")


def needed_files(paths: Iterable[str], read: Callable[[str], bytes]) -> list[str]:
    """Selects the files that the loaders read: settings, and one set of weights in each folder.

    `paths` are all files of a repository. `read` returns the content of an index file, which names the pieces. Raises
    CheckpointError for an index file that cannot be read, or that names a file outside the repository.
    """
    available = set(paths)
    needed = {"model_index.json"} & available
    for folder in (*WEIGHTS, *_OTHER_FOLDERS):
        inside = {path.removeprefix(f"{folder}/") for path in available if path.startswith(f"{folder}/")}
        chosen = {name for name in inside if _SETTINGS.fullmatch(name) and not _INDEX.search(name)}
        needed |= {f"{folder}/{name}" for name in chosen}
        needed |= _weights(folder, inside, read)
    return sorted(needed)


def _weights(folder: str, inside: Collection[str], read: Callable[[str], bytes]) -> set[str]:
    """The weight files of `folder` with the files `inside`: one whole file, or an index file and its pieces."""
    chosen = choose_weights(inside, WEIGHTS.get(folder, ()))
    if chosen is None:
        return set()
    path = f"{folder}/{chosen.name}"
    if not chosen.is_index:
        return {path}
    pieces = read_index(read(path), path)
    if missing := [piece for piece in pieces if piece not in inside]:
        raise CheckpointError(f"{path} names {missing[0]}, which the repository does not have; use another revision")
    return {path, *(f"{folder}/{piece}" for piece in pieces)}
