"""Loads the components of a pipeline from a folder in the published V3 layout (spec: pipelines 1).

Class names in model_index.json and the scheduler folder are ignored. Published files name classes of other code bases,
and V3 builds its schedulers from fixed settings.
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from sentencepiece import SentencePieceProcessor
from transformers import CLIPImageProcessorPil, T5Tokenizer

from easyanimate.encoders import load_clip, load_t5
from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.pipeline.schedulers.schedulers import make_scheduler
from easyanimate.sampling import SCHEDULERS
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.vae import AutoencoderKLSlice
from easyanimate.weights.checkpoint import read_config, read_published_settings
from easyanimate.weights.file_content import check_content, one_line
from easyanimate.weights.load_arguments import LoadArguments, local_folder
from easyanimate.weights.model_files import ENCODER_FILES, TOKENIZER_FILES

FOLDER_OF = {
    "tokenizer": "tokenizer",
    "text_encoder": "text_encoder",
    "image_encoder": "image_encoder",
    "image_processor": "image_encoder",
    "vae": "vae",
    "transformer": "transformer",
}
COMPONENTS = (*FOLDER_OF, "scheduler")
TOKENIZER_SETTINGS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
INPAINT_CHANNELS = 12


def load_components(folder: str | Path, arguments: LoadArguments, components: Mapping[str, Any]) -> dict[str, Any]:
    """Loads all components by name on the CPU; those in `components` are used as they are.

    Raises CheckpointError, which names the folder or file, if one is missing or does not fit, and InvalidInput for a
    component that cannot be used.
    """
    home = local_folder(folder)
    check_components(components)
    _check_folders(home, components)
    transformer = components.get("transformer")
    config = read_config(home / "transformer") if transformer is None else transformer.config
    _check_input_channels(config, home / "transformer")
    if transformer is None:
        transformer = _load_model(EasyAnimateTransformer3DModel, home, "transformer", arguments)
    arguments = arguments.with_auto(transformer.dtype)
    loaders = {name: load for name, load in _loaders(home, arguments).items() if name not in components}
    return {**components, "transformer": transformer, **{name: load() for name, load in loaders.items()}}


def check_components(components: Mapping[str, Any]) -> None:
    """InvalidInput for a component that cannot be used."""
    if "scheduler" in components:
        raise InvalidInput(
            f"each call names its scheduler, such as scheduler={SCHEDULERS[0]!r}; a scheduler object has no effect"
        )
    if missing := [name for name, component in components.items() if component is None]:
        raise InvalidInput(f"{missing[0]} is None; this pipeline needs each of {', '.join(COMPONENTS)}")


def _loaders(home: Path, arguments: LoadArguments) -> dict[str, Callable[[], Any]]:
    """The function that loads each component except the transformer."""
    return {
        "tokenizer": partial(load_tokenizer, home / "tokenizer"),
        "text_encoder": partial(_load_encoder, load_t5, home, "text_encoder", arguments),
        "image_encoder": partial(_load_encoder, load_clip, home, "image_encoder", arguments),
        "image_processor": partial(load_image_processor, home / "image_encoder"),
        "vae": partial(_load_model, AutoencoderKLSlice, home, "vae", arguments),
        "scheduler": partial(make_scheduler, "euler"),
    }


def _load_model(cls: Any, home: Path, name: str, arguments: LoadArguments) -> Any:
    return cls.from_pretrained(
        home,
        subfolder=name,
        torch_dtype=arguments.dtype_of(name),
        variant=arguments.variant,
        use_safetensors=arguments.use_safetensors,
    )


def _load_encoder(load: Callable[..., Any], home: Path, name: str, arguments: LoadArguments) -> Any:
    arguments.check_format(home / name, ENCODER_FILES)
    dtype: torch.dtype | str = arguments.dtype_of(name)
    return load(home / name, dtype, arguments.variant)


def _check_folders(home: Path, components: Mapping[str, Any]) -> None:
    """A folder may be missing if its components are passed as arguments."""
    for name in dict.fromkeys(FOLDER_OF.values()):
        needed = any(FOLDER_OF[component] == name for component in FOLDER_OF.keys() - components.keys())
        if needed and not (home / name).is_dir():
            folders = ", ".join(dict.fromkeys(FOLDER_OF.values()))
            raise CheckpointError(f"{home / name} is missing; a model folder holds {folders}")


def _check_input_channels(config: Mapping[str, Any], where: Path) -> None:
    channels = config.get("in_channels")
    if channels != INPAINT_CHANNELS:
        raise CheckpointError(
            f"{where} has in_channels {channels}; this pipeline needs an InP model, with {INPAINT_CHANNELS}"
        )


def load_tokenizer(folder: Path) -> Any:
    """Loads the T5 tokenizer in `folder`. CheckpointError, which names the file, if one is missing or damaged."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise CheckpointError(f"{folder} has none of {', '.join(TOKENIZER_FILES)}; download it again")
    for name in TOKENIZER_SETTINGS:
        if (folder / name).exists():
            _check_settings(folder / name)
    if (folder / "spiece.model").exists():
        _check_vocabulary(folder / "spiece.model")
    return _load(T5Tokenizer.from_pretrained, folder)


def load_image_processor(folder: Path) -> Any:
    """Loads the CLIP image processor in `folder`. CheckpointError if its file is missing or damaged."""
    _check_settings(folder / "preprocessor_config.json")
    return _load(CLIPImageProcessorPil.from_pretrained, folder)


def _check_settings(path: Path) -> None:
    """Checks a file of settings, because the errors of transformers name neither the file nor the cause."""
    read_published_settings(path)
    if path.read_bytes().startswith(BOM_UTF8):
        raise CheckpointError(f"{path} begins with a byte order mark; save it as UTF-8 without one")


def _check_vocabulary(path: Path) -> None:
    """Checks the vocabulary; transformers would try other formats after an error and report those."""
    check_content(path)
    try:
        SentencePieceProcessor(model_file=str(path))
    except Exception as problem:  # the reader raises many types for damaged files
        raise CheckpointError(f"{path} is damaged or cut short ({one_line(problem)}); download it again") from problem


def _load(load: Callable[..., Any], folder: Path) -> Any:
    try:
        return load(str(folder), local_files_only=True)
    except Exception as problem:  # the readers raise many types for damaged files
        raise CheckpointError(f"{folder} cannot be read: {one_line(problem)}") from problem
