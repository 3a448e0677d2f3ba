"""Inspects a whole model folder: describes each part, and lists all problems that prevent loading."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easyanimate.errors import CheckpointError
from easyanimate.models.finite_values import non_finite_values
from easyanimate.models.local_models import folder_bytes
from easyanimate.models.networks import NETWORKS, NetworkReport, inspect_network
from easyanimate.models.transfer.source import changed_files
from easyanimate.pipeline.loading import INPAINT_CHANNELS, load_image_processor, load_tokenizer


@dataclass(frozen=True)
class ModelReport:
    """The content of a model folder. It loads if there are no `problems`, which include those of its networks."""

    folder: Path
    networks: tuple[NetworkReport, ...]
    problems: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """The size of the folder on disk."""
        return folder_bytes(self.folder)


def inspect_model(folder: Path, *, hashes: bool = False) -> ModelReport:
    """Inspects the model in `folder`. With `hashes` it reads each byte, compares it with source.json and finds NaN.

    Raises CheckpointError only if the folder does not exist.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no model folder {folder}")
    networks = tuple(inspect_network(folder, name) for name in NETWORKS)
    problems = [problem for network in networks for problem in network.problems]
    tokens, tokenizer_problems = _tokenizer(folder / "tokenizer")
    problems += tokenizer_problems
    if (folder / "image_encoder").is_dir():
        problems += _problem_of(load_image_processor, folder / "image_encoder")
    problems += _incompatibilities({network.name: network.config for network in networks if network.config}, tokens)
    problems += changed_files(folder, hashes=hashes)
    problems += non_finite_values(folder) if hashes else []
    return ModelReport(folder, networks, tuple(dict.fromkeys(problems)))


def require_loadable(folder: Path) -> None:
    """CheckpointError with all problems of the model in `folder`, if it has any."""
    problems = inspect_model(folder).problems
    if problems:
        listed = "\n".join(f"- {problem.replace(f'{folder}/', '')}" for problem in problems)
        raise CheckpointError(f"the model would not load:\n{listed}")


def _tokenizer(folder: Path) -> tuple[int, list[str]]:
    """The number of tokens of the tokenizer in `folder`, and its problems."""
    if not folder.is_dir():
        return 0, [f"{folder} is missing"]
    try:
        return len(load_tokenizer(folder)), []
    except CheckpointError as problem:
        return 0, [str(problem)]


def _problem_of(load: Callable[[Path], Any], folder: Path) -> list[str]:
    try:
        load(folder)
    except CheckpointError as problem:
        return [str(problem)]
    return []


def _incompatibilities(configs: Mapping[str, Mapping[str, Any]], tokens: int) -> list[str]:
    """Parts that load but do not work together; parts that do not load are skipped."""
    problems = []
    text, image, vae, transformer = (configs.get(name, {}) for name in NETWORKS)
    if transformer and transformer["in_channels"] != INPAINT_CHANNELS:
        problems.append(
            f"transformer: in_channels is {transformer['in_channels']}; an InP model has {INPAINT_CHANNELS}"
        )
    pairs = (
        ("caption_channels", transformer, "d_model", text, "text_encoder"),
        ("clip_embed_dim", transformer, "projection_dim", image, "image_encoder"),
    )
    for setting, config, other_setting, other, name in pairs:
        if config and other and config[setting] != other[other_setting]:
            values = f"{setting} is {config[setting]}, but {other_setting} of the {name} is {other[other_setting]}"
            problems.append(f"transformer: {values}")
    if vae and vae["latent_channels"] * 3 != INPAINT_CHANNELS:
        problems.append(f"vae: latent_channels is {vae['latent_channels']}; the pipeline needs {INPAINT_CHANNELS // 3}")
    if text and tokens > text["vocab_size"]:
        problems.append(f"tokenizer: it has {tokens} tokens, but the text_encoder has {text['vocab_size']}")
    return problems
