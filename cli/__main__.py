"""`python -m cli` is the command `easyanimate`."""

from cli.main import app

app(prog_name="easyanimate")
