"""The command `easyanimate` and its subcommands."""

import typer

from cli.generate import generate

app = typer.Typer(
    help="Text- and image-to-video with EasyAnimateV3.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.callback()
def easyanimate() -> None:
    """Text- and image-to-video with EasyAnimateV3."""


app.command()(generate)
