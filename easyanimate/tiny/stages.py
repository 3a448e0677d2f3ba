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


def _put_together(base: str, model: str, vae: str) -> Callable[[Path], None]:
    """Lays out in `base` what the stage `model` made, over the VAE of another one, which went on learning."""

    def lay_out(output: Path) -> None:
        shutil.rmtree(output / base, ignore_errors=True)
        shutil.copytree(output / model / "result", output / base, ignore=shutil.ignore_patterns("vae"))
        shutil.copytree(output / vae / "result", output / base / "vae")

    return lay_out


def _of_vae(name: str, start: str | None = None) -> Stage:
    begins = {} if start is None else {"start": start}
    return Stage(name, "vae", lambda _: None, lambda output: _settings(output, name, begins))


def _of_transformer(name: str, model: str, prepare: Callable[[Path], None] = lambda _: None) -> Stage:
    return Stage(name, "transformer", prepare, lambda output: _settings(output, name, {"model": model}))


def _settings(output: Path, name: str, folders: dict[str, str]) -> dict[str, Any]:
    return {"run.output": output / name} | {setting: output / folder for setting, folder in folders.items()}


STAGES = (
    _of_vae("vae"),
    _of_transformer("transformer", "untrained", _lay_out_untrained),
    _of_transformer("directions", "transformer/result"),
    _of_transformer("again", "directions/result"),
    _of_transformer("words", "again/result"),
    _of_transformer("quick", "words/result"),
    _of_vae("sharper", "vae/result"),
    _of_transformer("bound", "base", _put_together("base", "quick", "sharper")),
    _of_transformer("outward", "bound/result"),
    _of_transformer("settled", "outward/result"),
    _of_vae("larger", "sharper/result"),
    _of_transformer("pictures", "large_base", _put_together("large_base", "settled", "larger")),
    _of_vae("given", "larger/result"),
    _of_vae("finer", "given/result"),
    _of_transformer("placed", "given_base", _put_together("given_base", "pictures", "finer")),
    _of_vae("steady", "finer/result"),
    _of_transformer("starts", "steady_base", _put_together("steady_base", "placed", "steady")),
)


def finish(output: Path) -> Path:
    """The finished model in float16, with its card; the folder."""
    folder, unfinished = output / str(CARD["name"]), output / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    pipe = EasyAnimatePipeline.from_pretrained(output / STAGES[-1].name / "result")
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
