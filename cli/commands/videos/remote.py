"""`easyanimate submit`, `watch` and `download`: client commands for a remote service or that of `easyanimate up`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client
from cli.errors import exit_on_error
from cli.progress import follow_with_bar, phase_table
from cli.settings import ClientSettings

Url = Annotated[str | None, typer.Option(help="The URL of the service. Default: EASYANIMATE_URL, or port 8000 here.")]
VideoId = Annotated[str, typer.Argument(help="The id that submit prints: video_…")]


def submit(
    prompt: Annotated[str, typer.Argument(help="The content of the video, in English.")],
    image: Annotated[Path | None, typer.Option(help="The image of the first frame.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What not to show.")] = None,
    model: Annotated[str | None, typer.Option(help="Required for a service with several models.")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.")] = None,
    num_frames: Annotated[int | None, typer.Option(help="1 or a multiple of 8.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="Strength of the prompt; 1 is without guidance.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same frames.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="The noise scheduler.")] = None,
    url: Url = None,
) -> None:
    """Create a video on a service and print its id. Defaults are those of the model."""
    fields = {
        "prompt": prompt,
        "negative_prompt": negative_prompt,
        "model": model,
        "size": size,
        "num_frames": num_frames,
        "num_inference_steps": steps,
        "guidance_scale": guidance_scale,
        "seed": seed,
        "scheduler": scheduler,
    }
    with _client("submit", url) as client:
        record = client.create(fields, image)
        for warning in record["warnings"]:
            typer.echo(f"note: {warning}", err=True)
        typer.echo(record["id"])


def watch(video_id: VideoId, url: Url = None) -> None:
    """Follow a video with a progress bar until it has ended."""
    with _client("watch", url) as client:
        record = follow_with_bar(client, video_id, video_id)
        typer.echo(f"{record['size']}, {record['num_frames']} frames, seed {record['seed']}; {phase_table(record)}")


def download_video(
    video_id: VideoId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file. Default: the id with .mp4.")] = None,
    url: Url = None,
) -> None:
    """Save a finished video as an MP4."""
    with _client("download", url) as client:
        typer.echo(client.download(video_id, output or Path(f"{video_id}.mp4")))


@contextmanager
def _client(command: str, url: str | None) -> Iterator[Client]:
    """A client of the service; a ClientError ends the command with its message."""
    settings = ClientSettings(url=url) if url else ClientSettings()
    with exit_on_error(command), Client(settings) as client:
        yield client


def add_remote(app: typer.Typer) -> None:
    """Adds the three commands."""
    for name, command in (("submit", submit), ("watch", watch), ("download", download_video)):
        app.command(name)(command)
