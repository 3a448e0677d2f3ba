"""`easyanimate estimate`: what a video would take, and when it would be finished, before it is requested."""

import json

import typer

from cli.client import Record
from cli.commands.remote.connection import Url, service_client
from cli.commands.remote.options import SubmitOptions
from cli.commands.remote.request import to_body
from cli.options import AsJson, PromptArgument, PromptOption, read_prompt_or_none, with_options


@with_options(SubmitOptions)
def estimate(
    options: SubmitOptions,
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Print what a video would take and when it would be finished, and create nothing. Options as of submit."""
    with service_client("estimate", url) as client:
        body = to_body(read_prompt_or_none(prompt, prompt_option, options.shots), options)
        record = client.estimate(body, cancel_after=options.cancel_after)
    if as_json:
        typer.echo(json.dumps(record, indent=2))
        return
    for warning in record["warnings"]:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(_line(record))


def _line(record: Record) -> str:
    videos = f"{record['n']} videos" if record["n"] > 1 else "1 video"
    shape = f"{record['size']}, {record['num_frames']} frames, {_plural(record['windows'], 'window')}"
    work = f"{record['steps']} steps, {record['pixel_frames']} pixel-frames"
    return f"{videos}: {shape}, {work}; {_plural(record['position'], 'video')} before it; {_time(record['eta_s'])}"


def _time(eta: Record | None) -> str:
    if eta is None:
        return "the time is not known yet"
    if eta["p90"] is None:
        return f"finished in about {eta['p50']:g} s"
    return f"finished in about {eta['p50']:g} s, with a probability of 90 % in {eta['p90']:g} s"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
