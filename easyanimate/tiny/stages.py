"""The stages of the training of `easyanimate-v3-tiny`, as `recipe/` describes them, and the finished model folder."""

import json
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.tiny.averaging import average_weights
from easyanimate.tiny.card import CARD
from easyanimate.tiny.fresh import make_fresh_pipeline
from easyanimate.tiny.tokenizer import make_tokenizer
from easyanimate.tiny.vocabulary import replace_vocabulary
from easyanimate.vae import AutoencoderKLSlice

RECIPE = files("easyanimate.tiny") / "recipe"
KEYS = ("kind", "continues", "with_vae", "new_words", "average", "result_average")  # of a stage, beside its settings


@dataclass(frozen=True)
class Stage:
    """One training of the recipe. `kind` is vae or transformer; `settings` are the values of its settings file.

    `continues` is the stage whose result it starts from. `with_vae` is the stage whose VAE a transformer works with.
    With `new_words` the tokenizer is made anew; each new word starts as the learnt word that `new_words` names for it.
    With `average` it starts from a mean of the result that it continues and of other models, which `average` gives
    as paths below the output with their shares. `result_average` is that of its own result, as it is shipped.
    """

    name: str
    kind: str
    settings: Mapping[str, Any]
    continues: str | None = None
    with_vae: str | None = None
    new_words: Mapping[str, str] | None = None
    average: Mapping[str, float] | None = None
    result_average: Mapping[str, float] | None = None

    def is_done(self, output: Path) -> bool:
        """Whether its result exists in `output`."""
        return (output / self.name / "result").is_dir()


def read_stages() -> tuple[Stage, ...]:
    """All stages, in order: base.toml with the changes of stages.toml."""
    base, stages = (tomllib.loads((RECIPE / name).read_text("utf-8")) for name in ("base.toml", "stages.toml"))
    return tuple(_stage(name, table, base) for name, table in stages.items())


def _stage(name: str, table: dict[str, Any], base: Mapping[str, Any]) -> Stage:
    kind, *start = (table.pop(key, None) for key in KEYS)
    return Stage(name, kind, _merged(_merged(base["all"], base[kind]), table), *start)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, table by table; a list replaces the whole list."""
    merged = dict(base)
    for key, value in changes.items():
        is_table = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if is_table else value
    return merged


def prepare_stage(stage: Stage, output: Path) -> Path:
    """Writes the settings file of a stage, and the model it starts from, into its folder; the path of the file."""
    folder = output / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    values = _merged(stage.settings, {"run": {"output": str(folder)}})
    start = _start_model(stage, output)
    if start is not None:
        values["start" if stage.kind == "vae" else "model"] = str(start)
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return file


def _start_model(stage: Stage, output: Path) -> Path | None:
    """The folder a stage starts from: a result, or a model put together from several, or with new words."""
    if stage.with_vae is None and stage.new_words is None and stage.average is None:
        return None if stage.continues is None else output / stage.continues / "result"
    start = output / stage.name / "start"
    shutil.rmtree(start, ignore_errors=True)
    if stage.continues is None:
        vae = AutoencoderKLSlice.from_pretrained(output / str(stage.with_vae) / "result")
        make_fresh_pipeline(start, vae).save_pretrained(start)
        return start
    shutil.copytree(output / stage.continues / "result", start)
    if stage.with_vae is not None:
        shutil.rmtree(start / "vae")
        shutil.copytree(output / stage.with_vae / "result", start / "vae")
    if stage.new_words is not None:
        _renew_words(start, stage.new_words)
    if stage.average is not None:
        pipe = EasyAnimatePipeline.from_pretrained(start)
        average_weights(pipe, _others(stage.average, output))
        pipe.save_pretrained(start)
    return start


def _others(average: Mapping[str, float], output: Path) -> Iterator[tuple[EasyAnimatePipeline, float]]:
    for folder, share in average.items():
        yield EasyAnimatePipeline.from_pretrained(output / folder), share


def _renew_words(folder: Path, new_words: Mapping[str, str]) -> None:
    """Gives the model in `folder` the tokenizer of today's captions."""
    pipe = EasyAnimatePipeline.from_pretrained(folder)
    tokenizer = make_tokenizer(folder / "tokenizer.new")
    replace_vocabulary(pipe.text_encoder, pipe.tokenizer, tokenizer, new_words)
    for part in ("tokenizer", "tokenizer.new"):
        shutil.rmtree(folder / part)
    tokenizer.save_pretrained(folder / "tokenizer")
    pipe.text_encoder.save_pretrained(folder / "text_encoder")


def finish(output: Path) -> Path:
    """Writes the result of the last stage in float16, with its card; the folder."""
    folder, unfinished = output / str(CARD["name"]), output / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    last = read_stages()[-1]
    pipe = EasyAnimatePipeline.from_pretrained(output / last.name / "result")
    average_weights(pipe, _others(last.result_average or {}, output))
    write_model(pipe, unfinished)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def write_model(pipe: EasyAnimatePipeline, folder: Path) -> None:
    """Writes `pipe` in the published layout and float16, with the card of the small model."""
    for network in (pipe.text_encoder, pipe.image_encoder, pipe.vae, pipe.transformer):
        network.half().eval()
    pipe.save_pretrained(folder)
    (folder / "card.json").write_text(json.dumps(CARD, indent=2) + "\n", encoding="utf-8")
