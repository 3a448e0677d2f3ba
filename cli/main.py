"""The command `easyanimate` and its subcommands."""

import sys

import structlog
import typer

from cli.commands.models.evaluate import evaluate
from cli.commands.models.models import app as models_app
from cli.commands.models.train import app as train_app
from cli.commands.operate.doctor import doctor
from cli.commands.operate.keys import app as keys_app
from cli.commands.operate.processes import add_processes
from cli.commands.operate.rebuild import rebuild
from cli.commands.operate.up import up
from cli.commands.videos.demo import demo
from cli.commands.videos.generate import generate
from cli.commands.videos.mcp import mcp
from cli.commands.videos.remote import add_remote
from cli.commands.videos.reproduce import reproduce
from jobs.logs import LineLogger

app = typer.Typer(
    help="Text- and image-to-video with EasyAnimateV3.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.callback()
def easyanimate() -> None:
    """Text- and image-to-video with EasyAnimateV3."""
    structlog.configure(logger_factory=lambda *_: LineLogger(sys.stderr))  # stdout is for results


app.command()(up)
app.command()(demo)
app.command()(generate)
app.command()(reproduce)
app.command()(rebuild)
app.command()(doctor)
app.command()(evaluate)
add_remote(app)
app.command()(mcp)
add_processes(app)
app.add_typer(models_app, name="models")
app.add_typer(keys_app, name="keys")
app.add_typer(train_app, name="train")
