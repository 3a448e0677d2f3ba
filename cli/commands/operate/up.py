"""`easyanimate up`: runs the complete service on this machine until Ctrl-C."""

import json
import shlex
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cli.errors import StackFailed, exit_on_error
from cli.options import AsJson
from cli.settings import StackSettings
from cli.stack.stack import LocalStack, StackPlan
from easyanimate.errors import CheckpointError
from easyanimate.models.lookup import full_model_name
from jobs.loopback import is_loopback
from worker.models.cards import read_card

KEYS = "  keys           easyanimate keys create NAME  (each request needs one)"


def up(
    port: Annotated[int, typer.Option(envvar="EASYANIMATE_PORT", help="The port of the API.")] = 8000,
    host: Annotated[
        str, typer.Option(envvar="EASYANIMATE_HOST", help="The address of the API; other machines require API keys.")
    ] = "127.0.0.1",
    data_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_DATA_DIR", help="The data folder.")] = Path("data"),
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
    as_json: AsJson = False,
) -> None:
    """Start Redis, API, keeper and worker, and keep them running until Ctrl-C. The data is kept."""
    with exit_on_error("up"):
        settings = StackSettings.read()
    plan = StackPlan(
        data_dir=data_dir,
        models_dir=models_dir,
        model=full_model_name(settings.model, models_dir),
        port=port,
        host=host,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
        environment={"EASYANIMATE_LOG_FORMAT": settings.log_format},
    )
    stack = LocalStack(plan, notify=lambda text: typer.echo(text, err=True))
    _install_signal_handlers(stack)
    try:
        typer.echo("starting Redis, API, keeper and worker …", err=True)
        stack.start()
        typer.echo(json.dumps(_values(stack), indent=2) if as_json else _welcome(stack))
        stack.wait_for_stop_request()
        typer.echo("stopping: a running job has its grace period; Ctrl-C again requeues it and ends quickly", err=True)
    except StackFailed as error:
        if not stack.is_stop_requested:
            typer.echo(f"easyanimate up: {error}", err=True)
            raise typer.Exit(1) from error
    finally:
        stack.stop()
    typer.echo("stopped; the data is kept", err=True)


def _install_signal_handlers(stack: LocalStack) -> None:
    """Ctrl-C or SIGTERM stops the stack. After a second one it ends within seconds, and after a third one at once."""

    def stop(_: int, __: FrameType | None) -> None:
        if stack.is_stop_requested:
            stack.hurry()
        stack.is_stop_requested = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _values(stack: LocalStack) -> dict[str, str]:
    """Addresses and folders of a service that is ready, as values of JSON."""
    plan, url = stack.plan, stack.url
    folders = {"model": plan.models_dir / plan.model, "data": plan.data_dir, "requests": plan.log_of("api")}
    return {
        "url": url,
        "studio": f"{url}/",
        "api": f"{url}/docs",
        **{name: str(path) for name, path in folders.items()},
    }


def _welcome(stack: LocalStack) -> str:
    plan, url = stack.plan, stack.url
    body = json.dumps({"prompt": _example(plan.models_dir / plan.model)})
    return "\n".join(
        [
            "",
            f"  EasyAnimate is ready at {url}",
            f"  studio         {url}  (videos in the browser)",
            f"  API            {url}/docs",
            f"  model          {plan.models_dir / plan.model}",
            f"  data           {plan.data_dir}",
            f"  requests       {plan.log_of('api')}",
            *([] if is_loopback(plan.host) else [KEYS]),
            "",
            f"  curl {url}/v1/videos -H 'Content-Type: application/json' -d {shlex.quote(body)}",
            "",
            "  Ctrl-C stops it.",
            "",
        ]
    )


def _example(model: Path) -> str:
    """A prompt that the model makes well, by its card."""
    try:
        examples = read_card(model).examples
    except CheckpointError:
        examples = ()
    return examples[0] if examples else "a sailing boat on a calm sea"
