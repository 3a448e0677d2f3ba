"""`easyanimate watch`, `download` and `open`: follow a video, save it, and show it in a browser."""

import json
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from cli.client.client import Client
from cli.commands.remote.connection import Url, VideoId, check_ids, return_hint, service_client
from cli.commands.remote.create import summary
from cli.commands.remote.saving import SUFFIXES, check_target, named_in, save_result
from cli.options import AsJson
from cli.output_file import parse_output
from cli.progress import follow_with_bar


def watch(video_id: VideoId, as_json: AsJson = False, url: Url = None) -> None:
    """Follow a video with a progress bar until it has ended."""
    with service_client("watch", url) as client:
        check_ids([video_id])
        with return_hint([video_id], url):
            record = follow_with_bar(client, video_id, video_id)
        typer.echo(json.dumps(record, indent=2) if as_json else summary(record))


def download(
    video_id: VideoId,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=parse_output,
            metavar="PATH",
            help="A file or a folder. Default: the id with .mp4, or .png for an image.",
        ),
    ] = None,
    variant: Annotated[str, typer.Option(help="video, thumbnail, spritesheet, preview or manifest.")] = "video",
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Save a finished video, completely or not at all."""
    with service_client("download", url) as client:
        check_ids([video_id])
        target = output or Path()
        check_target(target)
        path = _save(client, video_id, target, variant)
    result = {"id": video_id, "path": str(path), "size_bytes": path.stat().st_size}
    typer.echo(json.dumps(result, indent=2) if as_json else path)


def _save(client: Client, video_id: str, output: Path, variant: str) -> Path:
    """Saves a variant at `output`, or in that folder with the name of the service's file."""
    if variant == "video":
        return save_result(client, client.get(video_id), output)
    return client.download(video_id, named_in(output, f"{video_id}{SUFFIXES.get(variant, '')}"), variant)


def open_(
    video_id: Annotated[str | None, typer.Argument(help="A video; without it the studio.", show_default=False)] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Open a video, or the studio, in the browser, and print the address."""
    with service_client("open", url) as client:
        if video_id is not None:
            check_ids([video_id])
            client.get(video_id)
        address = f"{client.url}/" if video_id is None else f"{client.url}/#{video_id}"
    typer.echo(json.dumps({"id": video_id, "url": address}, indent=2) if as_json else address)
    if not webbrowser.open(address):
        typer.echo("note: there is no browser here; open the address in one", err=True)
