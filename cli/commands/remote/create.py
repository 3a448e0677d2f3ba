"""`easyanimate submit`, `extend`, `remix` and `promote`: create a video on a service, and wait for it if requested."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.client.client import Client, Record
from cli.client.errors import ClientError, ServiceUnreachable
from cli.client.request_body import RequestBody
from cli.commands.remote.connection import Url, VideoId, check_ids, creation_hint, return_hint, service_client
from cli.commands.remote.options import JobOptions, RemixOptions, ServiceOptions, SubmitOptions
from cli.commands.remote.request import to_body
from cli.commands.remote.saving import check_target, save_result
from cli.errors import RefusedCommand
from cli.options import AsJson, PromptArgument, PromptOption, read_prompt, read_prompt_or_none, with_options
from cli.progress import follow_with_bar, phase_table
from cli.quantities import plural


@with_options(SubmitOptions)
def submit(
    options: SubmitOptions,
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Create a video on a service and print its id. Defaults are those of the model."""
    with service_client("submit", url) as client:
        body = to_body(read_prompt_or_none(prompt, prompt_option, options.shots), options)
        _create(client, body, "/v1/videos", options, as_json, url)


@with_options(ServiceOptions)
def extend(
    options: ServiceOptions,
    video: Annotated[str, typer.Argument(help="The id of a video, or an MP4: a file or a link.", show_default=False)],
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Continue a video: the new one has its frames, then --num-frames or --seconds more.

    Settings that are not set are those of the video, if it is the service's own.
    """
    with service_client("extend", url) as client:
        if not video:
            raise RefusedCommand("the video is empty: name an id, a file or a link")
        body = to_body(read_prompt(prompt, prompt_option), options, video=video)
        _create(client, body, "/v1/videos/extensions", options, as_json, url)


@with_options(RemixOptions)
def remix(
    options: RemixOptions,
    video_id: VideoId,
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Generate a video again with another prompt; seed, settings and inputs are those of the first.

    Of a film, --shot names the shots that change.
    """
    with service_client("remix", url) as client:
        check_ids([video_id])
        has_prompt = not options.shot or prompt is not None or prompt_option is not None
        body = to_body(read_prompt(prompt, prompt_option) if has_prompt else None, options)
        _create(client, body, f"/v1/videos/{video_id}/remix", options, as_json, url)


@with_options(JobOptions)
def promote(options: JobOptions, video_id: VideoId, as_json: AsJson = False, url: Url = None) -> None:
    """Finish a draft: the new video continues its steps, with its settings, seed and inputs."""
    with service_client("promote", url) as client:
        check_ids([video_id])
        _create(client, to_body(None, options), f"/v1/videos/{video_id}/promote", options, as_json, url)


def _create(client: Client, body: RequestBody, path: str, options: JobOptions, as_json: bool, url: str | None) -> None:
    """Sends the request, then prints the ids, or waits for the videos and prints what they are."""
    check_target(options.output)
    with creation_hint(url):
        record = client.create(body, path, idempotency_key=options.idempotency_key, cancel_after=options.cancel_after)
    for warning in record.get("warnings", ()):
        typer.echo(f"note: {warning}", err=True)
    ids = record.get("batch") or [record["id"]]
    if not (options.wait or options.output):
        typer.echo(json.dumps(record, indent=2) if as_json else "\n".join(ids))
        return
    with return_hint(ids, url):
        records, errors = _wait_for_all(client, ids, options.output, quiet=as_json)
    if as_json and records:
        typer.echo(json.dumps(records[0] if len(ids) == 1 else {"data": records}, indent=2))
    for error in errors[1:]:
        typer.echo(str(error), err=True)
    if errors:
        raise errors[0]


def _wait_for_all(
    client: Client, ids: list[str], output: Path | None, *, quiet: bool
) -> tuple[list[Record], list[ClientError]]:
    """The records of the finished videos. One that fails does not stop the others."""
    records: list[Record] = []
    errors: list[ClientError] = []
    for video_id in ids:
        try:
            records.append(_wait(client, video_id, output, is_one=len(ids) == 1, quiet=quiet))
        except ServiceUnreachable:
            raise
        except ClientError as error:
            errors.append(error)
    return records, errors


def _wait(client: Client, video_id: str, output: Path | None, *, is_one: bool, quiet: bool) -> Record:
    """Follows one video to its end, saves it, and prints one line."""
    record = follow_with_bar(client, video_id, video_id)
    path = None
    if output is not None:
        has_own_name = is_one or output.is_dir()
        target = output if has_own_name else output.with_stem(f"{output.stem}-{record['seed']}")
        path = save_result(client, record, target)
    if not quiet:
        typer.echo(f"{path or video_id}: {summary(record)}")
    return record


def summary(record: Record) -> str:
    """Size, length and seed of a finished video, and the seconds of its phases."""
    frames = plural(record["num_frames"], "frame")
    return f"{record['size']}, {frames}, seed {record['seed']}; {phase_table(record)}"
