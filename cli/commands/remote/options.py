"""The options of `submit`, `extend` and `remix`, beside those that they share with `generate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.options import DELIVERY, INPUTS, SAMPLING, SIZE, GenerationOptions, ShotsOption
from cli.output_file import parse_output

_SOURCE = "A file, an https link, or the id of an uploaded file."


@dataclass(frozen=True)
class JobOptions:
    """The options of every request for a video: its place in the queue, its end, and its result."""

    priority: Annotated[str | None, typer.Option(help="high, normal or low.", rich_help_panel=DELIVERY)] = None
    cancel_after: Annotated[
        str | None,
        typer.Option(help="Fail without a result after this time: 90s, 5m, 2h.", rich_help_panel=DELIVERY),
    ] = None
    share_work: Annotated[
        bool | None,
        typer.Option(help="Share the run of an equal video, where the service does so.", rich_help_panel=DELIVERY),
    ] = None
    webhook: Annotated[
        str | None, typer.Option(help="The https URL that receives the events.", rich_help_panel=DELIVERY)
    ] = None
    webhook_event: Annotated[
        list[str] | None,
        typer.Option(help="An event for the webhook, as video.completed. Can be repeated.", rich_help_panel=DELIVERY),
    ] = None
    webhook_secret: Annotated[
        str | None, typer.Option(help="whsec_…; without it the service's own.", rich_help_panel=DELIVERY)
    ] = None
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Kept with the video. Can be repeated.", rich_help_panel=DELIVERY),
    ] = None
    idempotency_key: Annotated[
        str | None,
        typer.Option(help="The same key never creates a second video. Default: a new one.", rich_help_panel=DELIVERY),
    ] = None
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end, with a progress bar.", rich_help_panel=DELIVERY)
    ] = False
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=parse_output,
            metavar="PATH",
            help="Wait, and save the result here: a file, or a folder for a file with the id as its name.",
            rich_help_panel=DELIVERY,
        ),
    ] = None


@dataclass(frozen=True)
class RemixOptions(JobOptions):
    """The options of `remix`."""

    shot: Annotated[
        list[str] | None,
        typer.Option(metavar="INDEX=PROMPT", help="Another prompt for this shot of a film, from 0. Can be repeated."),
    ] = None


@dataclass(frozen=True)
class ServiceOptions(JobOptions, GenerationOptions):
    """The options of a request with settings of its own."""

    model: Annotated[str | None, typer.Option(help="The full name. Required for a service with several models.")] = None
    seconds: Annotated[
        float | None,
        typer.Option(help="Playing time instead of --num-frames; the nearest possible one.", rich_help_panel=SIZE),
    ] = None
    fps: Annotated[
        int | None, typer.Option(help="Frames per second; only the model's own rate works.", rich_help_panel=SIZE)
    ] = None
    last_image: Annotated[
        str | None, typer.Option(help=f"The image of the last frame. {_SOURCE}", rich_help_panel=INPUTS)
    ] = None
    previews_every: Annotated[
        int | None,
        typer.Option(metavar="STEPS", help="A preview image after every so many steps.", rich_help_panel=DELIVERY),
    ] = None


@dataclass(frozen=True)
class SubmitOptions(ServiceOptions):
    """The options of `submit`."""

    image: Annotated[
        str | None, typer.Option(help=f"The image of the first frame. {_SOURCE}", rich_help_panel=INPUTS)
    ] = None
    resize_to_image: Annotated[
        bool | None, typer.Option("--resize-to-image", help="Use the aspect ratio of --image.", rich_help_panel=SIZE)
    ] = None
    shots: ShotsOption = None
    draft: Annotated[
        int | None,
        typer.Option(
            metavar="STEPS",
            help="End after so many steps with an estimate; `promote` finishes it.",
            rich_help_panel=SAMPLING,
        ),
    ] = None
    video: Annotated[
        str | None,
        typer.Option(help=f"A video to change. {_SOURCE} Or video_…", rich_help_panel=INPUTS),
    ] = None
    mask: Annotated[
        str | None,
        typer.Option(help=f"White where --video changes. {_SOURCE}", rich_help_panel=INPUTS),
    ] = None
    strength: Annotated[
        float | None,
        typer.Option(
            help="Share of the steps that run; less keeps more of --video. Default: 0.7, with a mask 1.",
            rich_help_panel=SAMPLING,
        ),
    ] = None
    count: Annotated[
        int | None, typer.Option(help="Number of videos, with this seed and the next.", rich_help_panel=SAMPLING)
    ] = None
