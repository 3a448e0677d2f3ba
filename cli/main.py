"""The command `easyanimate` and its subcommands.

The module of a command is imported when the command runs; the list of `--help` comes from the table below.
"""

import logging
import sys
from typing import Annotated

import typer

from cli.deferred import Deferred, deferring_group
from jobs.version import VERSION

HERE, SERVICE, OPERATE = "On this machine, without a service", "Client of a service", "Operate a service"
HELP = "Text- and image-to-video with EasyAnimateV3. Exit codes: 0 done, 1 failed, 2 refused, 3 no answer, 130 Ctrl-C."

COMMANDS = (
    Deferred(
        "submit",
        "remote.create:submit",
        SERVICE,
        "Create a video on a service and print its id. Defaults are those of the model.",
    ),
    Deferred(
        "estimate",
        "remote.estimate:estimate",
        SERVICE,
        "Print what a video would take and when it would be finished, and create nothing. Options as of submit.",
    ),
    Deferred(
        "extend",
        "remote.create:extend",
        SERVICE,
        "Continue a video: the new one has its frames, then --num-frames or --seconds more.",
    ),
    Deferred(
        "remix",
        "remote.create:remix",
        SERVICE,
        "Generate a video again with another prompt; seed, settings and inputs are those of the first.",
    ),
    Deferred(
        "promote",
        "remote.create:promote",
        SERVICE,
        "Finish a draft: the new video continues its steps, with its settings, seed and inputs.",
    ),
    Deferred("watch", "remote.follow:watch", SERVICE, "Follow a video with a progress bar until it has ended."),
    Deferred("download", "remote.follow:download", SERVICE, "Save a finished video, completely or not at all."),
    Deferred("cancel", "remote.manage:cancel", SERVICE, "Cancel videos that wait or run. Their records stay."),
    Deferred(
        "delete",
        "remote.manage:delete",
        SERVICE,
        "Delete videos with their files and records. A video that runs is cancelled first.",
    ),
    Deferred(
        "usage",
        "remote.usage:usage",
        SERVICE,
        "Print what your completed videos took: their number, pixel-frames, steps and seconds of computing.",
    ),
    Deferred("list", "remote.manage:list_", SERVICE, "List your videos: id, state, time, size and prompt."),
    Deferred(
        "open", "remote.follow:open_", SERVICE, "Open a video, or the studio, in the browser, and print the address."
    ),
    Deferred(
        "update", "remote.manage:update_", SERVICE, "Change videos that wait: their priority, deadline or metadata."
    ),
    Deferred(
        "mcp",
        "videos.mcp:mcp",
        SERVICE,
        "Serve the tools of the Model Context Protocol over stdin and stdout, as a client of a service.",
    ),
    Deferred(
        "generate",
        "videos.generate:generate",
        HERE,
        "Render videos or images to files, without a service. Defaults are those of the model's card.",
    ),
    Deferred(
        "reproduce",
        "videos.reproduce:reproduce",
        HERE,
        "Render a video again from its manifest. "
        "Exit code 0: all frames are the same; 1: some differ; 2: not possible.",
    ),
    Deferred(
        "verify",
        "videos.verify:verify",
        HERE,
        "Check the marks of a file offline. "
        "Exit code 0: none is altered; 1: one is, or a frame differs; 2: not possible.",
    ),
    Deferred(
        "evaluate",
        "models.evaluate:evaluate",
        HERE,
        "Render clips of held-out captions, measure their content, "
        "and write report.md, report.json and contact sheets.",
    ),
    Deferred(
        "demo",
        "videos.demo:demo",
        HERE,
        "Render a text-to-video and an image-to-video with the complete service, and save them with a contact sheet.",
    ),
    Deferred(
        "up",
        "operate.up:up",
        OPERATE,
        "Start Redis, API, keeper and worker, and keep them running until Ctrl-C. The data is kept.",
    ),
    Deferred(
        "doctor",
        "operate.doctor:doctor",
        OPERATE,
        "Check settings, Redis, storage, models, disk, device, codecs, moderation. Exit code 1 if anything is broken.",
    ),
    Deferred(
        "rebuild",
        "operate.rebuild:rebuild",
        OPERATE,
        "Restore finished jobs from storage into Redis, which then owns the storage.",
    ),
    Deferred(
        "api",
        "operate.processes:api",
        OPERATE,
        "Run one front end. Its settings are environment variables (EASYANIMATE_…).",
    ),
    Deferred(
        "worker",
        "operate.processes:worker",
        OPERATE,
        "Run one worker. Its settings are environment variables (EASYANIMATE_…).",
    ),
    Deferred(
        "keeper", "operate.processes:keeper", OPERATE, "Run one keeper, which requeues lost jobs and delivers webhooks."
    ),
    Deferred("models", "models.models:app", OPERATE, "The models on this machine."),
    Deferred("keys", "operate.keys:app", OPERATE, "API keys of callers: create, list, revoke."),
    Deferred("queues", "operate.queues:app", OPERATE, "Queues of a service: list, pause, resume."),
    Deferred("workers", "operate.workers:app", OPERATE, "Workers of a service: list, drain."),
    Deferred("train", "models.train:app", HERE, "Train a VAE, a transformer or a LoRA."),
)

app = typer.Typer(help=HELP, cls=deferring_group(COMMANDS), no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"easyanimate {VERSION}")
        raise typer.Exit


@app.callback()
def easyanimate(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Configures the log: stdout is for results, and stderr gets warnings and errors only."""
    import structlog

    from jobs.logs import LineLogger

    structlog.configure(
        logger_factory=lambda *_: LineLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
