"""`easyanimate verify`: marks of files of this machine, segments of a list, and frames that are made again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.main import app
from easyanimate.files.manifest import file_sha256
from easyanimate.provenance.claims import ProvenanceClaim
from easyanimate.provenance.credentials import local_chain, local_credentials
from easyanimate.provenance.marking import ProvenanceMarker
from easyanimate.provenance.segment_list import ListedSegment, write_segment_list

SMALL = ("--prompt", "a cat", "--width", "64", "--height", "64", "--steps", "1", "--seed", "5")


def easyanimate(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Path:
    """The folder of a video of two windows and of the data with its certificate."""
    folder = tmp_path_factory.mktemp("rendered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASYANIMATE_DATA_DIR", str(folder / "data"))
        options = ("--num-frames", "12", "--window", "8", "--models-dir", str(models_dir))
        done = easyanimate("generate", *SMALL, *options, "-o", str(folder / "out.mp4"))
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def here(tmp_path: Path, rendered: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the video and the certificate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EASYANIMATE_MODELS_DIR", str(models_dir))
    shutil.copytree(rendered, tmp_path, dirs_exist_ok=True)
    return tmp_path


def results(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    done = easyanimate("verify", *arguments, "--json")
    assert done.exit_code == exit_code, done.output
    report: dict[str, Any] = json.loads(done.stdout)
    return report | {"statuses": [result["status"] for result in report["results"]]}


def test_a_rendered_video_is_marked_and_its_frames_can_be_made_again(here: Path) -> None:
    report = results("out.mp4", "--remake")
    assert report["statuses"] == ["valid", "valid", "absent"]
    assert report["remake"] == {"num_frames": 12, "first_difference": None}


@pytest.mark.parametrize(("window", "num_frames"), [("0", 8), ("1", 4)])
def test_one_window_is_made_again(here: Path, window: str, num_frames: int) -> None:
    assert results("out.mp4", "--remake", "--window", window)["remake"]["num_frames"] == num_frames


def test_a_window_that_differs_is_found(here: Path) -> None:
    manifest = json.loads(Path("out.json").read_text())
    manifest["frames"][9] = "0" * 64
    Path("changed.json").write_text(json.dumps(manifest))
    options = ("out.mp4", "--remake", "--manifest", "changed.json", "--window")
    assert results(*options, "0")["remake"]["first_difference"] is None
    assert results(*options, "1", exit_code=1)["remake"]["first_difference"] == 9


def test_a_changed_video_fails_the_command(here: Path) -> None:
    data = bytearray(Path("out.mp4").read_bytes())
    data[data.index(b"mdat") + 100] ^= 1
    Path("out.mp4").write_bytes(data)
    assert results("out.mp4", exit_code=1)["statuses"][0] == "altered"


def test_another_machine_does_not_trust_the_development_certificate(here: Path) -> None:
    shutil.rmtree("data")
    assert results("out.mp4")["statuses"] == ["untrusted", "untrusted", "absent"]


def test_a_segment_is_checked_by_the_signed_list(here: Path) -> None:
    marker = ProvenanceMarker(local_credentials(here / "data"))
    Path("segment-00000.ts").write_bytes(b"G" * 188)
    listed = ListedSegment("segment-00000.ts", file_sha256("segment-00000.ts"), 8)
    Path("segments.json").write_bytes(
        write_segment_list([listed], marker, ProvenanceClaim(title="segments", version="1"))
    )
    assert results("segment-00000.ts", "--list", "segments.json")["statuses"] == ["valid"]
    Path("segment-00000.ts").write_bytes(b"G" * 187 + b"H")
    assert results("segment-00000.ts", "--list", "segments.json", exit_code=1)["statuses"] == ["altered"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("out.mp4", "--window", "1"), "--window needs --remake"),
        (("out.mp4", "--remake", "--window", "2"), "there is no window 2"),
        (("out.json",), "these bytes are none of them"),
        (("none.mp4",), "No such file"),
    ],
)
def test_what_cannot_be_checked_is_refused(here: Path, arguments: tuple[str, ...], reason: str) -> None:
    done = easyanimate("verify", *arguments)
    assert (done.exit_code, reason in done.stderr) == (2, True), done.output


def test_a_signer_of_another_data_folder_is_trusted_by_option(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("signer.pem").write_text(local_chain(here / "data") or "")
    monkeypatch.setenv("EASYANIMATE_DATA_DIR", "elsewhere")
    untrusted = easyanimate("verify", "out.mp4")
    assert "untrusted" in untrusted.stdout
    assert "--trusted FILE.pem" in untrusted.stderr
    assert "media.server_started" not in untrusted.stderr
    assert results("out.mp4", "--trusted", "signer.pem")["statuses"] == ["valid", "valid", "absent"]


def test_a_file_without_certificates_is_refused(here: Path) -> None:
    refused = easyanimate("verify", "out.mp4", "--trusted", "out.json")
    assert refused.exit_code == 2
    assert "out.json has no certificate in PEM" in refused.stderr
