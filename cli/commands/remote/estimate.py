"""`easyanimate estimate`: what a video would take, and when it would be finished, before it is requested."""

import json

import typer

from cli.client.client import Record
from cli.commands.remote.connection import Url, service_client
from cli.commands.remote.options import SubmitOptions
from cli.commands.remote.request import to_body
from cli.options import AsJson, PromptArgument, PromptOption, read_prompt_or_none, with_options
from cli.quantities import duration, plural


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
    shape = f"{record['size']}, {plural(record['num_frames'], 'frame')}, {plural(record['windows'], 'window')}"
    work = f"{plural(record['steps'], 'step')}, {record['pixel_frames']} pixel-frames"
    before = f"{plural(record['position'], 'video')} before it"
    return f"{plural(record['n'], 'video')}: {shape}, {work}; {before}; {_time(record['eta_s'])}"


def _time(eta: Record | None) -> str:
    if eta is None:
        return "the time is not known yet"
    if eta["p90"] is None:
        return f"finished in about {duration(eta['p50'])}"
    return f"finished in about {duration(eta['p50'])}, with a probability of 90 % in {duration(eta['p90'])}"
