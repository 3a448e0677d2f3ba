"""`easyanimate demo`: starts the service, and renders a text-to-video and an image-to-video over REST."""

import json
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client.client import Client, Record
from cli.client.request_body import RequestBody
from cli.errors import exit_on_error
from cli.local.start_image import draw_start_image
from cli.options import AsJson
from cli.progress import follow_with_bar, phase_table
from cli.settings import ClientSettings, StackSettings
from cli.stack.ports import free_port
from cli.stack.stack import ISOLATED, LocalStack, StackPlan
from easyanimate.models.lookup import full_model_name

SEED = 7
CERTIFICATES = "certificates.pem"
NEXT = "next: `make serve` or `easyanimate up`, then make videos of your own at http://127.0.0.1:8000"


@dataclass(frozen=True)
class DemoVideo:
    """One video of the demo: the file name without suffix, the prompt, and the start image."""

    name: str
    prompt: str
    image: Path | None = None

    def request(self) -> RequestBody:
        """The request that creates it."""
        return RequestBody({"prompt": self.prompt, "seed": SEED}, {"image": self.image} if self.image else {})


def demo(
    output: Annotated[Path, typer.Option(help="The folder for videos, images and logs.")] = Path("demo"),
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
    as_json: AsJson = False,
) -> None:
    """Render a text-to-video and an image-to-video with the complete service, and save them with a contact sheet."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the service is stopped
    with exit_on_error("demo", OSError, on_interrupt="stopped"):
        run_demo(output, models_dir, as_json=as_json)


def run_demo(output: Path, models_dir: Path, *, as_json: bool = False) -> None:
    """The steps of `demo`. Raises CommandError, OSError."""
    output.mkdir(parents=True, exist_ok=True)
    start_image = draw_start_image(output / "start.png")
    scenes = [
        DemoVideo("text-to-video", "A large red circle moving to the right on a blue background"),
        DemoVideo("image-to-video", "A large yellow circle moving up on a black background", start_image),
    ]
    settings = StackSettings.read()
    with tempfile.TemporaryDirectory(prefix="data-", dir=output) as data:
        plan = StackPlan(
            data_dir=Path(data),
            models_dir=models_dir,
            model=full_model_name(settings.model, models_dir),
            port=free_port(),
            logs=output / "logs",
            environment={**ISOLATED, "EASYANIMATE_LOG_FORMAT": settings.log_format},
        )
        stack = LocalStack(plan)
        try:
            typer.echo("starting Redis, API, keeper and worker …", err=as_json)
            stack.start()
            records = _render_all(stack.url, scenes, output)
            _save_certificates(plan.data_dir, output)
        finally:
            stack.stop()
    _save_contact_sheet(scenes, output)
    if as_json:
        typer.echo(json.dumps(_values(scenes, records, output), indent=2))
    else:
        _echo_results(scenes, records, output)


def _values(scenes: list[DemoVideo], records: list[Record], output: Path) -> dict[str, Any]:
    """The files and records of the demo as values of JSON."""
    videos = [
        {"path": str(output / f"{scene.name}.mp4"), **record} for scene, record in zip(scenes, records, strict=True)
    ]
    return {"videos": videos, "contact_sheet": str(output / "contact-sheet.png")}


def _render_all(url: str, scenes: list[DemoVideo], output: Path) -> list[Record]:
    with Client(ClientSettings(url=url)) as client:
        ids = [client.create(scene.request())["id"] for scene in scenes]
        records = []
        for scene, video_id in zip(scenes, ids, strict=True):
            records.append(follow_with_bar(client, video_id, scene.name.ljust(14)))
            client.download(video_id, output / f"{scene.name}.mp4")
        return records


def _save_certificates(data_dir: Path, output: Path) -> None:
    """Saves the certificates that signed the videos, because the data folder of the demo is deleted."""
    from easyanimate.provenance.credentials import local_chain

    chain = local_chain(data_dir)
    if chain is not None:
        (output / CERTIFICATES).write_text(chain, encoding="ascii")


def _save_contact_sheet(scenes: list[DemoVideo], output: Path) -> None:
    """Saves one labelled row of frames for each video."""
    from PIL import Image, ImageDraw

    from easyanimate.files.contact_sheet import contact_sheet
    from easyanimate.provenance.plain import save_generated

    rows = [contact_sheet(output / f"{scene.name}.mp4") for scene in scenes]
    label_height = 18
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height + label_height for row in rows)), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for scene, row in zip(scenes, rows, strict=True):
        pen.text((4, top + 3), f"{scene.name}: {scene.prompt}", fill="black")
        sheet.paste(row, (0, top + label_height))
        top += row.height + label_height
    save_generated(sheet, output / "contact-sheet.png")


def _echo_results(scenes: list[DemoVideo], records: list[dict[str, Any]], output: Path) -> None:
    typer.echo("")
    for scene, record in zip(scenes, records, strict=True):
        summary = f"{record['size']}, {record['num_frames']} frames at {record['fps']} a second"
        typer.echo(f"{output / scene.name}.mp4: {summary}; {phase_table(record)}")
    typer.echo(f"{output / 'contact-sheet.png'}: frames of both videos")
    options = f"{output / scenes[0].name}.mp4 --trusted {output / CERTIFICATES}"
    typer.echo(f"marks: easyanimate verify {options}")
    typer.echo(NEXT)
