"""The command `easyanimate` and its subcommands."""

import sys
from typing import Annotated

import structlog
import typer

from cli.commands.models.evaluate import evaluate
from cli.commands.models.models import app as models_app
from cli.commands.models.train import app as train_app
from cli.commands.operate.doctor import doctor
from cli.commands.operate.keys import app as keys_app
from cli.commands.operate.processes import add_processes
from cli.commands.operate.queues import app as queues_app
from cli.commands.operate.rebuild import rebuild
from cli.commands.operate.up import up
from cli.commands.operate.workers import app as workers_app
from cli.commands.remote.create import extend, promote, remix, submit
from cli.commands.remote.estimate import estimate
from cli.commands.remote.follow import download, open_, watch
from cli.commands.remote.manage import cancel, delete, list_, update_
from cli.commands.remote.usage import usage
from cli.commands.videos.demo import demo
from cli.commands.videos.generate import generate
from cli.commands.videos.mcp import mcp
from cli.commands.videos.reproduce import reproduce
from cli.commands.videos.verify import verify
from jobs.logs import LineLogger
from jobs.version import VERSION

HERE, SERVICE, OPERATE = "On this machine, without a service", "Client of a service", "Operate a service"
HELP = "Text- and image-to-video with EasyAnimateV3. Exit codes: 0 done, 1 failed, 2 refused, 3 no answer, 130 Ctrl-C."

app = typer.Typer(help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)


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
    """Configures the log: stdout is for results."""
    structlog.configure(logger_factory=lambda *_: LineLogger(sys.stderr))


for command in (submit, estimate, extend, remix, promote, watch, download, cancel, delete, usage):
    app.command(rich_help_panel=SERVICE)(command)
app.command("list", rich_help_panel=SERVICE)(list_)
app.command("open", rich_help_panel=SERVICE)(open_)
app.command("update", rich_help_panel=SERVICE)(update_)
app.command(rich_help_panel=SERVICE)(mcp)
for command in (generate, reproduce, verify, evaluate, demo):
    app.command(rich_help_panel=HERE)(command)
for command in (up, doctor, rebuild):
    app.command(rich_help_panel=OPERATE)(command)
add_processes(app, OPERATE)
app.add_typer(models_app, name="models", rich_help_panel=OPERATE)
app.add_typer(keys_app, name="keys", rich_help_panel=OPERATE)
app.add_typer(queues_app, name="queues", rich_help_panel=OPERATE)
app.add_typer(workers_app, name="workers", rich_help_panel=OPERATE)
app.add_typer(train_app, name="train", rich_help_panel=HERE)
