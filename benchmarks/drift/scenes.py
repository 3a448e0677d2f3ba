"""`python -m benchmarks.drift.scenes`: how far pictures of one scene and of two scenes are from each other.

An extension keeps the picture of its source unless the last frames of the source are farther from it than
`OTHER_SCENE`. The distances are those before each of many extensions of one video, and those of pictures of different
captions. It writes the figures and the table of docs/guides/long-videos.md.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations, product
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks.capacity.__main__ import table, write
from benchmarks.drift.__main__ import PAGE, add_options, load, weights_commit
from benchmarks.drift.chain import Lane, Lanes
from benchmarks.drift.ways import WAYS
from easyanimate.pipeline import ClipStages, Generation
from easyanimate.pipeline.windows.still_scene import OTHER_SCENE, scene_distance

RESULTS = Path(__file__).parents[1] / "results" / "scenes.json"
SHAPES = ("a large red circle", "a small yellow square", "a cyan cross", "a purple triangle")
BACKGROUNDS = ("black", "white", "blue", "green", "red", "gray")
STILL, FRAMES = "extensions, still", "extensions, frames"
OTHER_SHAPE, OTHER_BACKGROUND = "another shape, same background", "another background"
HEAD = ["pictures", "distances", "smallest", "median", "99 percent", "largest", "taken for another scene"]
Scene = tuple[str, str]  # a shape and a background
Distances = dict[str, list[float]]


def caption(scene: Scene) -> str:
    """The prompt of a still scene."""
    return f"{scene[0]} resting on a {scene[1]} background"


def chained_scenes() -> list[Scene]:
    """A scene for each background."""
    return [(SHAPES[i % len(SHAPES)], background) for i, background in enumerate(BACKGROUNDS)]


def extended(pipe: ClipStages, request: Generation, extensions: int, seed: int) -> Distances:
    """For both ways the distance before each extension of a stored video; those that move have no picture."""
    scenes = chained_scenes()
    ways = [*product(scenes, [STILL]), *product(scenes[::2], [FRAMES])]
    lanes = [Lane(caption(scene), WAYS["still" if way == STILL else "frames"], is_stored=True) for scene, way in ways]
    chains = Lanes(pipe, request, lanes)
    _, states = chains.windows(chains.start(seed))
    pictures = {scene: state.anchor for (scene, way), state in zip(ways, states, strict=True) if way == STILL}
    found: Distances = {STILL: [], FRAMES: []}
    for _ in range(extensions):
        _, states = chains.windows(states)
        for (scene, way), state in zip(ways, states, strict=True):
            found[way] += distances_to(state.tail, pictures[scene])
    return found


def compared(pipe: ClipStages, request: Generation, seed: int) -> Distances:
    """The distances of the pictures of all pairs of captions, by what differs."""
    scenes = list(product(SHAPES, BACKGROUNDS))
    lanes = Lanes(pipe, request, [Lane(caption(scene), WAYS["still"], is_stored=True) for scene in scenes])
    _, states = lanes.windows(lanes.start(seed))
    found: Distances = {OTHER_SHAPE: [], OTHER_BACKGROUND: []}
    for (scene, state), (other, shown) in permutations(zip(scenes, states, strict=True), 2):
        kind = OTHER_SHAPE if scene[1] == other[1] else OTHER_BACKGROUND
        found[kind] += distances_to(shown.tail, state.anchor)
    return found


def distances_to(frames: Tensor | None, picture: Tensor | None) -> list[float]:
    """The distance of frames from a picture; none from that of a scene that moves."""
    if frames is None or picture is None or not picture.numel():
        return []
    return [round(scene_distance(frames, picture), 2)]


def rows(found: Mapping[str, Sequence[float]]) -> Iterator[list[str]]:
    """A row for each kind of pictures."""
    for kind, values in found.items():
        ordered = sorted(values)
        shown = (ordered[0], median(ordered), ordered[int(0.99 * (len(ordered) - 1))], ordered[-1])
        above = sum(value > OTHER_SCENE for value in ordered)
        yield [kind, str(len(ordered)), *(f"{value:.1f}" for value in shown), f"{above} of {len(ordered)}"]


def report(record: Mapping[str, object], found: Mapping[str, Sequence[float]]) -> None:
    """Writes the table of the page."""
    about = (
        f"Weights of commit {record['weights']}; {record['size']} pixels, windows of {record['frames']} frames, "
        f"{record['steps']} steps, seed {record['seed']}, {record['extensions']} extensions of each of "
        f"{len(BACKGROUNDS)} still scenes. Distances are in levels of 255; the limit is {OTHER_SCENE:g}."
    )
    write(PAGE, {"scenes": f"{about}\n\n{table(HEAD, list(rows(found)))}"})


def main() -> None:
    """Measures and writes the figures, or with `--report` only the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift.scenes", description=__doc__)
    add_options(parser, steps=6)
    options = parser.parse_args()
    if not options.report:
        torch.set_num_threads(1)
        measure(options)
    record = json.loads(RESULTS.read_text(encoding="utf-8"))
    report(record, record["distances"])


def measure(options: argparse.Namespace) -> None:
    """Writes the distances of both kinds with the settings."""
    started = time.process_time()
    pipe = load(options.folder / weights_commit() / "easyanimate-v3-tiny")
    side, frames, steps = options.size, options.frames, options.steps
    request = Generation(prompt="", width=side, height=side, num_frames=frames, num_inference_steps=steps)
    pairs = compared(pipe, request, options.seed)
    chains = extended(pipe, request, options.extensions, options.seed)
    settings = {name: getattr(options, name) for name in ("extensions", "size", "frames", "steps", "seed")}
    seconds = round(time.process_time() - started)
    record = {"weights": weights_commit(), **settings, "cpu_seconds": seconds, "distances": chains | pairs}
    RESULTS.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
