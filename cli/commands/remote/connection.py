"""The connection of a client command to its service, and what it prints when it is interrupted."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli.client.client import Client
from cli.errors import CommandError, ExitCode, RefusedCommand, exit_on_error
from cli.settings import ClientSettings

Url = Annotated[
    str | None,
    typer.Option(help="The URL of the service, with or without /v1. Default: EASYANIMATE_URL, or port 8000 here."),
]
VideoId = Annotated[str, typer.Argument(help="The id that submit prints: video_…", show_default=False)]
VideoIds = Annotated[list[str], typer.Argument(help="One id or several: video_…", show_default=False)]
_ID = re.compile(r"video_[A-Za-z0-9]+")


class FollowingStopped(CommandError):
    """Ctrl-C; the message says what continues."""

    exit_code = ExitCode.INTERRUPTED


@contextmanager
def service_client(command: str, url: str | None) -> Iterator[Client]:
    """A client of the service; an error ends the command with its message and exit code."""
    with exit_on_error(command, on_interrupt="stopped"):
        settings = client_settings(url)
        with Client(settings) as client:
            yield client


def client_settings(url: str | None) -> ClientSettings:
    """The settings of a client; `url` is the option --url. Raises RefusedCommand."""
    if url is None:
        return ClientSettings.read()
    if not url:
        raise RefusedCommand("--url is empty; leave it out for the service of EASYANIMATE_URL")
    return ClientSettings.read(url=url)


def check_ids(ids: list[str]) -> None:
    """Refuses texts that are not ids of videos. Raises RefusedCommand."""
    for video_id in ids:
        if not video_id:
            raise RefusedCommand("the id is empty; `easyanimate list` shows the ids of your videos")
        if not _ID.fullmatch(video_id):
            raise RefusedCommand(f"{video_id!r} is not the id of a video, as video_0123abcd; `easyanimate list`")


@contextmanager
def creation_hint(url: str | None) -> Iterator[None]:
    """On Ctrl-C: the service may have the request, though no id has come back."""
    try:
        yield
    except KeyboardInterrupt as error:
        suffix = f" --url {url}" if url else ""
        raise FollowingStopped(
            f"stopped before the service answered; the video may exist: `easyanimate list{suffix}` shows it"
        ) from error


@contextmanager
def return_hint(ids: list[str], url: str | None) -> Iterator[None]:
    """On Ctrl-C: the videos continue, and these commands return to the first of them or cancel all."""
    try:
        yield
    except KeyboardInterrupt as error:
        suffix = f" --url {url}" if url else ""
        raise FollowingStopped(
            f"no longer waiting; the service continues. `easyanimate watch {ids[0]}{suffix}` follows it again, "
            f"`easyanimate cancel {' '.join(ids)}{suffix}` cancels it"
        ) from error
