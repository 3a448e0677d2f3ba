"""The command `easyanimate` and its subcommands."""

import typer

from cli.demo import demo
from cli.doctor import doctor
from cli.evaluate import evaluate
from cli.generate import generate
from cli.keys import app as keys_app
from cli.models import app as models_app
from cli.processes import add_processes
from cli.rebuild import rebuild
from cli.remote import add_remote
from cli.reproduce import reproduce
from cli.train import app as train_app
from cli.up import up

app = typer.Typer(
    help="Text- and image-to-video with EasyAnimateV3.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.callback()
def easyanimate() -> None:
    """Text- and image-to-video with EasyAnimateV3."""


app.command()(up)
app.command()(demo)
app.command()(generate)
app.command()(reproduce)
app.command()(rebuild)
app.command()(doctor)
app.command()(evaluate)
add_remote(app)
add_processes(app)
app.add_typer(models_app, name="models")
app.add_typer(keys_app, name="keys")
app.add_typer(train_app, name="train")
