"""`easyanimate submit`, `watch`, `download`: a service somewhere else, or the one of `easyanimate up`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client, ClientError
from cli.progress import follow_with_bar, phase_table
from cli.settings import ClientSettings

Url = Annotated[str | None, typer.Option(help="The service; without it EASYANIMATE_URL, or this machine's port 8000.")]
VideoId = Annotated[str, typer.Argument(help="What submit printed: video_…")]


def submit(
    prompt: Annotated[str, typer.Argument(help="What to show, in English.")],
    image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What not to show.")] = None,
    model: Annotated[str | None, typer.Option(help="Needed where there are several.")] = None,
    size: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT in pixels.")] = None,
    num_frames: Annotated[int | None, typer.Option(help="1 or a multiple of 8.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="How strictly to obey.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same clip.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="The sampler.")] = None,
    url: Url = None,
) -> None:
    """Ask a service for a video and print its id. What is not said is the model's default."""
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
    with _client(url) as client:
        typer.echo(client.create(fields, image)["id"])


def watch(video_id: VideoId, url: Url = None) -> None:
    """Follow a video with a progress bar until it has ended."""
    with _client(url) as client:
        record = follow_with_bar(client, video_id, video_id)
        typer.echo(f"{record['size']}, {record['num_frames']} frames, seed {record['seed']}; {phase_table(record)}")


def download(
    video_id: VideoId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; its id if not said.")] = None,
    url: Url = None,
) -> None:
    """Save a finished video as an MP4."""
    with _client(url) as client:
        typer.echo(client.download(video_id, output or Path(f"{video_id}.mp4")))


@contextmanager
def _client(url: str | None) -> Iterator[Client]:
    """A client of the service asked for; its refusals end the command with their sentence."""
    settings = ClientSettings(url=url) if url else ClientSettings()
    try:
        with Client(settings) as client:
            yield client
    except ClientError as error:
        typer.echo(f"easyanimate: {error}", err=True)
        raise typer.Exit(1) from error


def add_remote(app: typer.Typer) -> None:
    """Add the three commands."""
    for command in (submit, watch, download):
        app.command()(command)
