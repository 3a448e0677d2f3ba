"""Draws docs/images: each way to ask for a video, made by the library with the small model and a fixed seed.

    python docs/feature_strips.py [NAME ...] [--output FOLDER]

A strip shows what goes in, what the model is told of each frame (hatched where it is to be made), and what comes out.
Some rows show the change from the clip of the same seed without the feature: grey is none, and "x64" says how many
times as strong it is drawn.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from easyanimate import EasyAnimatePipeline
from easyanimate.buckets import resize_to_image
from easyanimate.lora import LoraFile, LowRank, applied, flat_name
from easyanimate.pipeline import SCHEDULERS, Draws, Generation, generate_windows
from easyanimate.pipeline.inputs.conditioning import prepare_inpaint_input
from easyanimate.tiny import copy_tiny_model
from easyanimate.windows import Window, plan_windows

SIDE, FRAMES, STEPS, GUIDANCE, SEED, WINDOW, OVERLAP = 96, 16, 10, 2.0, 7, 16, 4
PROMPT = "A large red circle moving to the right on a blue background"
YELLOW, WHITE, BLUE = "#f2de2e", "#f5f5f5", "#2b4dde"
OF_PICTURES = "A yellow circle moving to the right on a blue background"
OF_CLIPS = "A white circle moving to the right on a blue background"
GAP, LABEL_HEIGHT, NAMES_WIDTH, COLUMNS, QUALITY = 4, 14, 100, 7, 56

Picture = Image.Image
Frame = np.ndarray  # [H, W, 3] in 0..255
Cell = tuple[str, Picture]
Row = tuple[str, list[Cell]]


@dataclass(frozen=True)
class Studio:
    """The pipeline, and the settings all strips share; `prompt` says what the pictures show that are given, if any."""

    pipe: EasyAnimatePipeline
    prompt: str = PROMPT

    def ask(self, **changes: Any) -> Generation:
        """A clip as all strips make it, but for `changes`."""
        settings: dict[str, Any] = {"prompt": self.prompt, "height": SIDE, "width": SIDE, "num_frames": FRAMES}
        sampling = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE}
        return Generation(**{**settings, **sampling, **changes})

    def make(self, asked: Generation, seed: int = SEED) -> list[Frame]:
        """Its frames, in one window."""
        settings = {field.name: getattr(asked, field.name) for field in fields(asked)}
        return list(self.pipe(**settings, generator=seed, output_type="np").frames[0] * 255)

    def make_long(self, asked: Generation, plan: Sequence[Window]) -> list[Frame]:
        """Its frames, in several windows."""
        return list(torch.cat(list(generate_windows(self.pipe, asked, plan, Draws.from_seed(SEED)))).numpy())


def disc(x: float, y: float, colour: str, ground: str, size: tuple[int, int] = (SIDE, SIDE)) -> Picture:
    """A disc at a place in 0..1 of the picture."""
    picture = Image.new("RGB", (size[0] * 4, size[1] * 4), ground)  # drawn larger and shrunk: smooth edges
    centre, radius = (x * picture.width, y * picture.height), min(picture.size) / 5
    box = [tuple(c - radius for c in centre), tuple(c + radius for c in centre)]
    ImageDraw.Draw(picture).ellipse(box, fill=colour)
    return picture.resize(size, Image.Resampling.LANCZOS)


def start() -> Picture:
    """The start image of the strips."""
    return disc(0.3, 0.6, YELLOW, BLUE)


def end() -> Picture:
    """The end image of the strips."""
    return disc(0.7, 0.4, YELLOW, BLUE)


def clip() -> list[Picture]:
    """A ball that crosses the picture in sixteen frames."""
    return [disc(0.2 + 0.6 * i / (FRAMES - 1), 0.5, WHITE, BLUE) for i in range(FRAMES)]


def right_half() -> Picture:
    """A mask: the left half stays, the right one is made anew."""
    mask = Image.new("L", (SIDE, SIDE), 0)
    mask.paste(255, (SIDE // 2, 0, SIDE, SIDE))
    return mask


def known(asked: Generation) -> list[Picture]:
    """What the model is told of each frame; hatched where it is to be made."""
    given = prepare_inpaint_input(asked)
    height, width = given.mask.shape[1:]
    rows, columns = np.indices((height, width))
    hatched = np.where((rows + columns) % 8 < 2, 170, 225)[..., None].repeat(3, axis=2)
    pixels = ((given.pixels / 2 + 0.5) * 255).round().permute(1, 2, 3, 0).numpy()
    return [
        Image.fromarray(np.where(new.numpy()[..., None] == 1, hatched, frame).astype(np.uint8))
        for new, frame in zip(given.mask, pixels, strict=True)
    ]


def spread(pictures: Sequence[Frame | Picture], columns: int = COLUMNS) -> list[int]:
    """The numbers of some frames, from the first to the last."""
    return [round(i) for i in np.linspace(0, len(pictures) - 1, min(columns, len(pictures)))]


def picture_of(frame: Frame | Picture) -> Picture:
    """A frame as an image."""
    return frame if isinstance(frame, Picture) else Image.fromarray(frame.round().astype(np.uint8))


def some(name: str, frames: Sequence[Frame | Picture], chosen: Sequence[int] | None = None) -> Row:
    """A row of frames, each under its number."""
    return name, [(str(i), picture_of(frames[i])) for i in (spread(frames) if chosen is None else chosen)]


def change(name: str, ours: Sequence[Frame], plain: Sequence[Frame], columns: int = COLUMNS) -> Row:
    """How frames differ from those without a feature, around grey, doubled until most can be seen."""
    apart = np.stack(ours).astype(float) - np.stack(plain).astype(float)
    typical = np.quantile(abs(apart), 0.95)
    if typical == 0:
        return some(f"{name}: none", list(apart + 128), spread(ours, columns))
    times = max(1, 2 ** int(np.log2(100 / typical)))
    return some(f"{name} x{times}", list((128 + times * apart).clip(0, 255)), spread(ours, columns))


def text_to_video(studio: Studio) -> list[Row]:
    """A video of a prompt."""
    return [some("made", studio.make(studio.ask()))]


def drafts(studio: Studio) -> list[Row]:
    """The middle frame of eight drafts after a fifth of the steps; and frames of the finished fourth one."""
    seeds = range(SEED, SEED + 8)
    plan = (Window(0, FRAMES, FRAMES),)
    ended = [
        torch.cat(list(generate_windows(studio.pipe, studio.ask(), plan, Draws.from_seed(s), draft_steps=STEPS // 5)))
        for s in seeds
    ]
    cells = [(f"seed {s}", picture_of(frames[FRAMES // 2].numpy())) for s, frames in zip(seeds, ended, strict=True)]
    chosen = studio.make(studio.ask(), seed=seeds[3])
    return [("drafts", cells), some(f"finished {seeds[3]}", chosen, spread(chosen, len(cells)))]


def text_to_image(studio: Studio) -> list[Row]:
    """Images of one prompt with several seeds."""
    return [
        ("made", [(f"seed {s}", picture_of(studio.make(studio.ask(num_frames=1), seed=s)[0])) for s in range(7, 14)])
    ]


def prompts_and_seeds(studio: Studio) -> list[Row]:
    """What another prompt, negative prompt and seed change, and that the same again changes nothing."""
    plain = studio.make(studio.ask())
    made = {
        "prompt": studio.make(studio.ask(prompt="A small green square")),
        "negative": studio.make(studio.ask(negative_prompt="a blue background")),
        "seed": studio.make(studio.ask(), seed=SEED + 1),
        "the same": studio.make(studio.ask()),
    }
    changes = [change(name, frames, plain, columns=5) for name, frames in made.items()]
    return [some("made", plain, spread(plain, 5)), *changes]


def guidance(studio: Studio) -> list[Row]:
    """A video by its guidance scale, and what each scale changes."""
    plain = studio.make(studio.ask(guidance_scale=1.0))
    scaled = {scale: studio.make(studio.ask(guidance_scale=scale)) for scale in (2.0, 4.0, 12.0)}
    changes = [change(f"to {scale:g}", frames, plain, columns=5) for scale, frames in scaled.items()]
    return [some("scale 1", plain, spread(plain, 5)), *changes]


def samplers(studio: Studio) -> list[Row]:
    """One frame by each sampler."""
    cells = [(name, picture_of(studio.make(studio.ask(scheduler=name, num_frames=8))[4])) for name in SCHEDULERS]
    return [("frame 4", cells)]


def from_pictures(studio: Studio, **pictures: Picture) -> list[Row]:
    """What goes in, what is told of each frame, what comes out, and what that changed."""
    asked = studio.ask(**pictures)
    made = studio.make(asked)
    given: list[Row] = [("given", [*pictures.items()])]
    return [
        *given,
        some("told", known(asked)),
        some("made", made),
        change("change", made, studio.make(studio.ask())),
    ]


def image_to_video(studio: Studio) -> list[Row]:
    """A video from a start image."""
    return from_pictures(replace(studio, prompt=OF_PICTURES), image=start())


def start_and_end(studio: Studio) -> list[Row]:
    """A video between two images."""
    return from_pictures(replace(studio, prompt=OF_PICTURES), image=start(), last_image=end())


def image_shape(studio: Studio) -> list[Row]:
    """A wide picture and a tall one, each with the size its video gets."""
    studio, rows = replace(studio, prompt=OF_PICTURES), []
    for sides in ((300, 140), (140, 300)):
        picture = disc(0.3, 0.5, YELLOW, BLUE, sides)
        width, height = resize_to_image(*sides, SIDE)
        made = studio.make(studio.ask(image=picture, width=width, height=height))
        small = picture.resize((sides[0] // 3, sides[1] // 3))
        frames = some("", made, spread(made, 4))[1]
        rows.append((f"{width}x{height}", [("{}x{}".format(*sides), small), *frames]))
    return rows


def long_video(studio: Studio) -> list[Row]:
    """Forty frames in three windows, and an end image that only the last of them is told."""
    plan = plan_windows(40, window=WINDOW, overlap=OVERLAP, end_image=True)
    studio = replace(studio, prompt=OF_PICTURES)
    asked = studio.ask(image=start(), last_image=end(), num_frames=plan[0].num_frames)
    made = studio.make_long(asked, plan)
    chosen = sorted({edge for window in plan for edge in (window.start, window.end - 1)})
    windows = ", ".join(f"{window.start} to {window.end - 1}" for window in plan)
    return [
        ("given", [("image", start()), ("last_image", end())]),
        some("made", made, chosen),
        (f"windows: {windows}", []),
    ]


def extension(studio: Studio) -> list[Row]:
    """The old clip's last frames, what is told of them, and the new video around them."""
    studio, old = replace(studio, prompt=OF_CLIPS), clip()
    first_told = FRAMES - OVERLAP
    plan = plan_windows(12, window=WINDOW, overlap=OVERLAP, continues=OVERLAP)
    asked = studio.ask(context_frames=old[first_told:], num_frames=plan[0].num_frames)
    made: list[Frame | Picture] = [*old[:first_told], *studio.make_long(asked, plan)]
    told = [Image.new("RGB", (SIDE, SIDE), "white")] * first_told + known(asked)
    around = [11, 12, 13, 14, 15, 16, 20]
    return [
        some("video", old, [i for i in around if i < FRAMES]),
        some("told", told, around),
        some("made", made, around),
    ]


def video_to_video(studio: Studio) -> list[Row]:
    """The video, what the VAE alone makes of it, and how far from that each strength goes."""
    studio, chosen = replace(studio, prompt=OF_CLIPS), spread(clip(), 4)
    made = [
        some(f"strength {strength:g}", studio.make(studio.ask(video=clip(), strength=strength)), chosen)
        for strength in (0.25, 0.5, 0.9)
    ]
    return [some("video", clip(), chosen), some("VAE alone", through_vae(studio.pipe), chosen), *made]


@torch.no_grad()
def through_vae(pipe: EasyAnimatePipeline) -> list[Frame]:
    """The clip encoded and decoded, and nothing else."""
    pixels = torch.from_numpy(np.stack([np.asarray(frame) for frame in clip()])).permute(3, 0, 1, 2)[None]
    latents = pipe.vae.encode(pixels / 127.5 - 1).latent_dist.mode() * pipe.vae.config["scaling_factor"]
    pieces = pipe.decode_frames(latents, Draws.from_seed(SEED), smooth=False)
    return list(torch.cat(list(pieces)).numpy())


def mask(studio: Studio) -> list[Row]:
    """A video whose right half is generated anew."""
    studio = replace(studio, prompt=OF_CLIPS)
    asked = studio.ask(video=clip(), mask=right_half())
    made = studio.make(asked)
    return [
        ("given", [("mask", right_half()), *((str(i), clip()[i]) for i in spread(clip(), 6))]),
        some("told", known(asked)),
        some("made", made),
        change("change", made, studio.make(studio.ask())),
    ]


def lora(studio: Studio) -> list[Row]:
    """What a LoRA of random numbers in the attention layers changes, by its scale."""
    file, plain = random_lora(studio.pipe), studio.make(studio.ask())
    rows = []
    for scale in (0.0, 0.55, 1.0):
        with applied(studio.pipe, [(file, scale)]):
            rows.append(change(f"scale {scale:g}", studio.make(studio.ask()), plain))
    return rows


def random_lora(pipe: EasyAnimatePipeline) -> LoraFile:
    """A LoRA of rank 2, always the same."""
    generator = torch.Generator().manual_seed(SEED)

    def update(layer: Any) -> LowRank:
        down = torch.randn(2, layer.in_features, generator=generator)
        return LowRank(down, 0.1 * torch.randn(layer.out_features, 2, generator=generator))

    layers = {path: layer for path, layer in pipe.transformer.named_modules() if path.endswith((".to_q", ".to_v"))}
    return LoraFile("random", {flat_name(path): update(layer) for path, layer in layers.items()}, {})


STRIPS: dict[str, Callable[[Studio], list[Row]]] = {
    "text-to-video": text_to_video,
    "text-to-image": text_to_image,
    "drafts": drafts,
    "prompts-and-seeds": prompts_and_seeds,
    "guidance": guidance,
    "samplers": samplers,
    "image-to-video": image_to_video,
    "start-and-end": start_and_end,
    "image-shape": image_shape,
    "long-video": long_video,
    "extension": extension,
    "video-to-video": video_to_video,
    "mask": mask,
    "lora": lora,
}


def draw(rows: Sequence[Row]) -> Picture:
    """The rows below each other: their names on the left, each picture under its own."""
    font = ImageFont.load_default(size=11)
    heights = [max((p.height for _, p in cells), default=0) + LABEL_HEIGHT for _, cells in rows]
    widths = [sum(p.width + GAP for _, p in cells) for _, cells in rows]
    sheet = Image.new("RGB", (NAMES_WIDTH + max(widths), sum(heights) + GAP), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for (name, cells), height in zip(rows, heights, strict=True):
        pen.text((4, top + (height // 2 if cells else 0)), name, fill="black", font=font)
        left = NAMES_WIDTH
        for label, picture in cells:
            pen.text((left + 1, top + 1), label, fill="dimgrey", font=font)
            sheet.paste(picture, (left, top + LABEL_HEIGHT))
            edge = (left - 1, top + LABEL_HEIGHT - 1, left + picture.width, top + LABEL_HEIGHT + picture.height)
            pen.rectangle(edge, outline="lightgrey")
            left += picture.width + GAP
        top += height
    return sheet


@contextmanager
def studio() -> Iterator[Studio]:
    """The small model, in single precision on the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        yield Studio(EasyAnimatePipeline.from_pretrained(copy_tiny_model(Path(folder) / "model")))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the strips that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(STRIPS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "images")
    asked = parser.parse_args(arguments)
    unknown = set(asked.names) - set(STRIPS)
    if unknown:
        parser.error(f"there is no strip {', '.join(sorted(unknown))}; there are {', '.join(STRIPS)}")
    asked.output.mkdir(parents=True, exist_ok=True)
    with studio() as place:
        for name in asked.names or STRIPS:
            draw(STRIPS[name](place)).save(asked.output / f"{name}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
