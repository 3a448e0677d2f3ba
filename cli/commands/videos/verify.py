"""`easyanimate verify`: what the marks of a file say, and whether its frames can be made again."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.commands.videos.reproduce import SourceOptions, find_difference, read_manifest
from cli.errors import ExitCode, exit_on_error
from cli.local.marks import check_file_marks, trusted_here
from cli.options import AsJson
from easyanimate.errors import EasyAnimateError, InvalidInput
from jobs.errors import InvalidRequest
from jobs.invalid_settings import InvalidSettings

ALTERED, UNTRUSTED = "altered", "untrusted"
TRUST_HINT = (
    "hint: to trust the signer of a file, pass its certificates with --trusted FILE.pem, put them in "
    "EASYANIMATE_C2PA_TRUSTED_CERTIFICATES, or set EASYANIMATE_DATA_DIR to the data folder of its worker"
)


def verify(
    file: Annotated[Path, typer.Argument(help="An image or a video; with --list a segment of a playlist.")],
    segments: Annotated[Path | None, typer.Option("--list", help="The signed list of a playlist.")] = None,
    trusted: Annotated[
        Path | None, typer.Option(metavar="FILE.pem", help="Certificates to trust, beside those of the settings.")
    ] = None,
    remake: Annotated[bool, typer.Option("--remake", help="Render the frames again and compare them.")] = False,
    window: Annotated[int | None, typer.Option(min=0, help="With --remake: compare this window only.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="The manifest with the prompts, of a file of a service.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="The start image of the video.")] = None,
    last_image: Annotated[Path | None, typer.Option(help="The end image of the video.")] = None,
    video: Annotated[Path | None, typer.Option(help="The source video of the video.")] = None,
    mask: Annotated[Path | None, typer.Option(help="The mask of the video.")] = None,
    continues: Annotated[Path | None, typer.Option("--continue", help="The video that it extends.")] = None,
    shots: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="The shots of a film.")] = None,
    lora: Annotated[list[Path] | None, typer.Option(help="LoRA files that are not in the models folder.")] = None,
    prompt: Annotated[str | None, typer.Option(help="The prompt: a file of a service does not contain it.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="The negative prompt, in the same case.")] = None,
    model: Annotated[str | None, typer.Option(help="The folder or name of the model.")] = None,
    models_dir: Annotated[Path, typer.Option(envvar="EASYANIMATE_MODELS_DIR")] = Path("models"),
    as_json: AsJson = False,
) -> None:
    """Check the marks of a file offline. Exit code 0: none is altered; 1: one is, or a frame differs; 2: not possible.

    A file without marks is no claim: it may still be generated.
    """
    errors = (EasyAnimateError, InvalidRequest, InvalidSettings, OSError)
    with exit_on_error("verify", *errors, code=ExitCode.REFUSED, on_interrupt="stopped; nothing is written"):
        report: dict[str, Any] = {"path": str(file), "results": _results(file, segments, trusted)}
        if remake:
            sources = SourceOptions(image, last_image, video, mask, continues, shots)
            prompts = (prompt, negative_prompt)
            recorded = read_manifest(manifest or file)
            models = (model, models_dir, lora or [])
            report["remake"] = find_difference(recorded, sources, prompts, models, window)
        elif window is not None:
            raise InvalidInput("--window needs --remake")
    typer.echo(json.dumps(report, indent=2) if as_json else _text(report))
    if any(result["status"] == UNTRUSTED for result in report["results"]):
        typer.echo(TRUST_HINT, err=True)
    differs = report.get("remake", {}).get("first_difference") is not None
    if differs or any(result["status"] == ALTERED for result in report["results"]):
        raise typer.Exit(ExitCode.FAILED)


def _results(file: Path, segments: Path | None, certificates: Path | None) -> list[dict[str, Any]]:
    trusted = trusted_here()
    if certificates is not None:
        from easyanimate.provenance.trust import read_trusted

        trusted = f"{read_trusted(certificates)}\n{trusted}"
    if segments is None:
        return [result.to_values() for result in check_file_marks(file, trusted)]
    return [_check_segment(file, segments, trusted)]


def _check_segment(file: Path, segments: Path, trusted: str) -> dict[str, Any]:
    """The result for a segment by its digest in the signed list."""
    from easyanimate.files.manifest import file_sha256
    from easyanimate.provenance.segment_list import read_segment_list

    signed = read_segment_list(segments.read_bytes())
    result, digest = signed.check(trusted).to_values(), file_sha256(file)
    if result["status"] != ALTERED and digest not in {each.sha256 for each in signed.segments}:
        return {**result, "status": ALTERED, "detail": f"the signed list {segments} has no segment with these bytes"}
    return result


def _text(report: dict[str, Any]) -> str:
    lines = [f"{each['type']:<6} {each['status']:<10} {each['detail']}" for each in report["results"]]
    if (remade := report.get("remake")) is not None:
        difference = remade["first_difference"]
        count = remade["num_frames"]
        same = f"{count} frames made again are the same"
        lines.append(f"remake {same if difference is None else f'frame {difference} differs (the first is 0)'}")
    return "\n".join(lines)
