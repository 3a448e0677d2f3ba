"""The stages of making `easyanimate-v3-tiny` from nothing, each with its recipe, and the folder in the end."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.tiny.card import CARD
from easyanimate.tiny.fresh import make_fresh_pipeline
from easyanimate.vae import AutoencoderKLSlice


@dataclass(frozen=True)
class Stage:
    """One training: `kind` is vae or transformer; `prepare` lays out what it starts from, `changes` are settings that
    depend on where things lie."""

    name: str
    kind: str
    prepare: Callable[[Path], None]
    changes: Callable[[Path], dict[str, Any]]

    def is_done(self, output: Path) -> bool:
        """Whether its result is there."""
        return (output / self.name / "result").is_dir()


def recipe(name: str) -> Path:
    """The file of settings of a stage."""
    return Path(str(files("easyanimate.tiny") / "recipe" / f"{name}.toml"))


def _lay_out_untrained(output: Path) -> None:
    """Fresh networks over the finished encoder."""
    pipe = make_fresh_pipeline(output / "untrained", AutoencoderKLSlice.from_pretrained(output / "vae" / "result"))
    pipe.save_pretrained(output / "untrained")


STAGES = (
    Stage("vae", "vae", lambda _: None, lambda output: {"run.output": output / "vae"}),
    Stage(
        "transformer",
        "transformer",
        _lay_out_untrained,
        lambda output: {"run.output": output / "transformer", "model": output / "untrained"},
    ),
    Stage(
        "directions",
        "transformer",
        lambda _: None,
        lambda output: {"run.output": output / "directions", "model": output / "transformer" / "result"},
    ),
    Stage(
        "again",
        "transformer",
        lambda _: None,
        lambda output: {"run.output": output / "again", "model": output / "directions" / "result"},
    ),
)


def finish(output: Path) -> Path:
    """The finished model in float16, with its card; the folder."""
    folder, unfinished = output / str(CARD["name"]), output / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    pipe = EasyAnimatePipeline.from_pretrained(output / "again" / "result")
    write_model(pipe, unfinished)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def write_model(pipe: EasyAnimatePipeline, folder: Path) -> None:
    """`pipe` in the published layout and float16, with the small model's card."""
    for network in (pipe.text_encoder, pipe.image_encoder, pipe.vae, pipe.transformer):
        network.half().eval()
    pipe.save_pretrained(folder)
    (folder / "card.json").write_text(json.dumps(CARD, indent=2) + "\n", encoding="utf-8")
