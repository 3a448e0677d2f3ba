"""`easyanimate list`, `update`, `cancel` and `delete`: the videos of the caller on a service."""

import json
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated

import typer

from cli.client.client import Client, Record
from cli.client.errors import ClientError
from cli.commands.remote.connection import Url, VideoIds, check_ids, service_client
from cli.commands.remote.request import parse_metadata
from cli.errors import RefusedCommand
from cli.options import AsJson
from cli.quantities import plural

PAGE_SIZE = 100  # which the API returns at most
PROMPT_CHARS = 60  # on a terminal


def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many videos to list.")] = 20,
    status: Annotated[str | None, typer.Option(help="queued, in_progress, completed or failed; default: all.")] = None,
    order: Annotated[str, typer.Option(help="desc: newest first; asc: oldest first.")] = "desc",
    after: Annotated[str | None, typer.Option(help="Begin after the video with this id.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List your videos: id, state, time, size and prompt."""
    with service_client("list", url) as client:
        if after is not None:
            check_ids([after])
        records = list(_records(client, limit, status=status, order=order, after=after))
    if as_json:
        typer.echo(json.dumps({"object": "list", "data": records}, indent=2))
        return
    for record in records:
        typer.echo(_line(record))
    if not records:
        typer.echo("no videos; `easyanimate submit PROMPT` creates one", err=True)


def _records(client: Client, limit: int, after: str | None, **parameters: str | None) -> Iterator[Record]:
    """The records of one page after the other, `limit` in all."""
    while limit > 0:
        page = client.page(limit=min(limit, PAGE_SIZE), after=after, **parameters)
        yield from page["data"]
        limit -= len(page["data"])
        after = page.get("last_id")
        if not page["data"] or not page.get("has_more"):
            return


def _line(record: Record) -> str:
    state = str(record["state"])
    if state == "running":
        state = f"running {record['progress']}%"
    time = datetime.fromtimestamp(record["created_at"]).astimezone().strftime("%Y-%m-%d %H:%M")
    length = plural(record.get("num_frames", 0), "frame")
    prompt = "".join(letter if letter.isprintable() else " " for letter in record.get("prompt", ""))
    if sys.stdout.isatty() and len(prompt) > PROMPT_CHARS:
        prompt = prompt[: PROMPT_CHARS - 1] + "…"
    return f"{record['id']}  {state:<12}  {time}  {record.get('size', '?'):>9}  {length:>11}  {prompt}"


def update_(
    video_ids: VideoIds,
    priority: Annotated[str | None, typer.Option(help="high, normal or low.")] = None,
    deadline: Annotated[float | None, typer.Option(help="Unix seconds: fail without a result by then.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Replaces all pairs. Can be repeated.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Change videos that wait: their priority, deadline or metadata."""
    with service_client("update", url) as client:
        fields = {"priority": priority, "deadline": deadline, "metadata": parse_metadata(metadata)}
        if not any(value is not None for value in fields.values()):
            raise RefusedCommand("nothing to change: --priority, --deadline or --metadata is missing")
        _for_each(video_ids, lambda video_id: client.update(video_id, fields), _place, as_json)


def _place(record: Record) -> str:
    position = (record.get("queue") or {}).get("position")
    return "is updated" if position is None else f"is updated; {position} before it"


def cancel(video_ids: VideoIds, as_json: AsJson = False, url: Url = None) -> None:
    """Cancel videos that wait or run. Their records stay."""
    with service_client("cancel", url) as client:
        _for_each(video_ids, client.cancel, _end, as_json)


def _end(record: Record) -> str:
    return "is cancelled" if record["state"] == "cancelled" else "stops at its next step"


def delete(
    video_ids: VideoIds,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without a confirmation.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Delete videos with their files and records. A video that runs is cancelled first."""
    with service_client("delete", url) as client:
        check_ids(video_ids)
        if sys.stdin.isatty() and not yes:
            what = video_ids[0] if len(video_ids) == 1 else f"{len(video_ids)} videos"
            _confirm(f"delete {what} with all files?")
        _for_each(video_ids, client.delete, lambda _: "is deleted", as_json)


def _confirm(question: str) -> None:
    """Asks on the terminal. Raises Abort for "no", and KeyboardInterrupt after Ctrl-C."""
    try:
        is_agreed = typer.confirm(question, err=True)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    if not is_agreed:
        raise typer.Abort


def _for_each(
    video_ids: list[str], call: Callable[[str], Record], describe: Callable[[Record], str], as_json: bool
) -> None:
    """Applies `call` to each video. One that is refused does not stop the others. Raises the first error at the end."""
    check_ids(video_ids)
    results, errors = [], []
    for video_id in dict.fromkeys(video_ids):
        try:
            results.append(call(video_id))
        except ClientError as error:
            errors.append((video_id, error))
        else:
            if not as_json:
                typer.echo(f"{video_id} {describe(results[-1])}")
    if as_json:
        typer.echo(json.dumps({"data": results}, indent=2))
    for video_id, refusal in errors[1:]:
        typer.echo(f"{video_id}: {refusal}", err=True)
    if errors:
        video_id, refusal = errors[0]
        raise type(refusal)(f"{video_id}: {refusal}") from refusal
