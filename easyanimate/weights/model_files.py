"""The weight files of a network: one file, or an index file and the pieces in its `weight_map`.

All commands that list, count, download, check or load weights use these names. No name is guessed from a pattern:
published pieces carry a variant (`model.fp16-00001-of-00002.safetensors`) that their index lacks.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easyanimate.errors import CheckpointError

# The names of one whole file of weights, in the order of preference (spec: transformer 2.3; published).
MODEL_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "pytorch_model.bin")
ENCODER_FILES = ("model.safetensors", "pytorch_model.bin")
TOKENIZER_FILES = ("spiece.model", "tokenizer.json")  # one of them is enough
WEIGHTS: Mapping[str, Sequence[str]] = {
    "text_encoder": ENCODER_FILES,
    "image_encoder": ENCODER_FILES,
    "vae": MODEL_FILES,
    "transformer": MODEL_FILES,
}
ENDINGS = (".safetensors", ".bin")


@dataclass(frozen=True)
class WeightSet:
    """The first file of a set of weights: the `name` of one whole file, or of an index file."""

    name: str
    is_index: bool


def choose_weights(names: Collection[str], best_first: Sequence[str], variant: str | None = None) -> WeightSet | None:
    """Selects the set of weights among the file `names` of one folder; None if there is none.

    `variant` is that of diffusers: "fp16" means `model.fp16.safetensors`. Without it, plain names have priority. A
    variant is used only if it is the only one of the first of `best_first` that has any.
    """
    for base in best_first:
        if chosen := _with_variant(names, base, variant):
            return chosen
    if variant is not None:
        return None
    for base in best_first:
        variants = {_variant_of(name, base) for name in names} - {None}
        if len(variants) == 1:
            return _with_variant(names, base, variants.pop())
    return None


def _with_variant(names: Collection[str], base: str, variant: str | None) -> WeightSet | None:
    stem, _, ending = base.rpartition(".")
    middle = f".{variant}" if variant else ""
    for name, is_index in (
        (f"{stem}{middle}.{ending}", False),
        (f"{stem}.{ending}.index{middle}.json", True),
    ):
        if name in names:
            return WeightSet(name, is_index)
    return None


def _variant_of(name: str, base: str) -> str | None:
    stem, _, ending = (re.escape(part) for part in base.rpartition("."))
    match = re.fullmatch(rf"{stem}\.(\w+)\.{ending}|{stem}\.{ending}\.index\.(\w+)\.json", name)
    return None if match is None else match[1] or match[2]


def read_index(text: str | bytes, where: object) -> list[str]:
    """The names of the pieces in the index file `text`, sorted. The pieces are in the folder of the index file.

    Raises CheckpointError, which names the file `where`, if it is no index or a name leaves the folder.
    """
    try:
        weight_map: Any = json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)["weight_map"]
        pieces = sorted(set(weight_map.values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        reason = f"{type(problem).__name__}: {problem}"
        raise CheckpointError(f"{where} is no index of weight files ({reason}); download it again") from problem
    if not pieces:
        raise CheckpointError(f"{where} names no files; download it again")
    for piece in pieces:
        _check_piece(piece, where)
    return pieces


def _check_piece(piece: object, where: object) -> None:
    if not isinstance(piece, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", piece):
        raise CheckpointError(f"{where} names {piece!r}, which is not a file beside it; download it again")
    if not piece.endswith(ENDINGS):
        raise CheckpointError(f"{where} names {piece!r}; a file of weights ends in {' or '.join(ENDINGS)}")


def weight_files(folder: Path, best_first: Sequence[str], variant: str | None = None) -> list[Path]:
    """The weight files of `folder`, whether or not each piece exists; empty if there are no weights.

    Raises CheckpointError for an index file that cannot be read.
    """
    chosen = choose_weights(_names(folder), best_first, variant)
    if chosen is None:
        return []
    path = folder / chosen.name
    if not chosen.is_index:
        return [path]
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise CheckpointError(f"{path} cannot be read: {problem.strerror}") from problem
    return [folder / piece for piece in read_index(content, path)]


def missing_weights(folder: Path, best_first: Sequence[str]) -> list[str]:
    """The names of missing weight files; an index file that cannot be read counts as missing."""
    try:
        files = weight_files(folder, best_first)
    except CheckpointError:
        chosen = choose_weights(_names(folder), best_first)
        return [chosen.name if chosen else best_first[0]]
    if not files:
        return [best_first[0]]
    return [path.name for path in files if not path.is_file()]


def model_weight_files(model: Path) -> Iterator[Path]:
    """The existing weight files of all networks in the folder `model`. An unreadable index file has none."""
    for name, best_first in WEIGHTS.items():
        try:
            files = weight_files(model / name, best_first)
        except CheckpointError:
            continue
        yield from (path for path in files if path.is_file())


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()} if folder.is_dir() else set()
