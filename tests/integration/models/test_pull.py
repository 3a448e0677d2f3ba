"""A model from the hub: only the needed files, at one commit; an interrupted download resumes."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import pytest

from cli.stack.ports import free_port
from easyanimate import EasyAnimatePipeline
from easyanimate.errors import CheckpointError
from easyanimate.models.errors import ModelStoreError
from easyanimate.models.inspection import inspect_model
from easyanimate.models.transfer.hub import pull_model
from easyanimate.models.transfer.source import git_blob_id, hash_file
from easyanimate.rehearsal.layout import TEXT_INDEX, TEXT_PIECES

pytestmark = pytest.mark.slow

NAME = "EasyAnimateV3-XL-2-InP-512x512"
REPOSITORY = f"alibaba-pai/{NAME}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
BIG = "transformer/diffusion_pytorch_model.safetensors"


@dataclass
class FakeHub:
    """The pages of a hub with one model at one commit, `main`. It can break off a download."""

    files: dict[str, Path]
    url: str = ""
    breaks_after: dict[str, int] = field(default_factory=dict)  # bytes of a file before the connection breaks
    is_down: bool = False
    spoils: str = ""  # a file that is sent with wrong bytes
    sent: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # file -> (first byte, number of bytes)

    def listing(self) -> dict[str, object]:
        return {"id": REPOSITORY, "sha": COMMIT, "siblings": [self._sibling(path) for path in self.files]}

    def etag(self, path: str) -> str:
        return hash_file(self.files[path]) if _is_large(path) else git_blob_id(self.files[path])

    def _sibling(self, path: str) -> dict[str, object]:
        size = self.files[path].stat().st_size
        entry: dict[str, object] = {"rfilename": path, "size": size, "blobId": git_blob_id(self.files[path])}
        if _is_large(path):
            entry["lfs"] = {"sha256": self.etag(path), "size": size, "pointerSize": 134}
        return entry


def _is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".bin", ".model"))


class Pages(BaseHTTPRequestHandler):
    """The responses of the hub that the server holds."""

    hub: FakeHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if self.hub.is_down:
            self.refuse(500)
        elif path in (f"/api/models/{REPOSITORY}/revision/{revision}" for revision in ("main", COMMIT)):
            self.answer(200, json.dumps(self.hub.listing()).encode(), {"Content-Type": "application/json"})
        elif path.startswith(f"/api/models/{REPOSITORY}/"):
            self.refuse(404, "RevisionNotFound")
        elif path.startswith("/api/models/"):
            self.refuse(404, "RepoNotFound")
        else:
            self.serve(path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/"))

    def refuse(self, status: int, code: str = "") -> None:
        self.answer(status, b"{}", {"X-Error-Code": code})

    def serve(self, path: str) -> None:
        content = self.hub.files[path].read_bytes()
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        headers = {"ETag": f'"{self.hub.etag(path)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        part = content[first:]
        if path == self.hub.spoils:
            part = bytes(len(part))
        self.answer(206 if first else 200, part, headers, path)

    def answer(self, status: int, content: bytes, headers: dict[str, str], path: str = "") -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        limit = self.hub.breaks_after.pop(path, None)
        self.hub.is_down |= limit is not None
        if path:  # before the client has the file
            first = int(headers.get("Content-Range", "bytes 0-").split()[1].split("-")[0])
            self.hub.sent.setdefault(path, []).append((first, len(content[:limit])))
        self.wfile.write(content[:limit])


@pytest.fixture
def hub(published_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub on this machine with the published model, an image and a readme."""
    extras = {name: tmp_path / name for name in ("README.md", "sample.png")}
    for path in extras.values():
        path.write_text("not needed")
    files = {str(path.relative_to(published_folder)): path for path in published_folder.rglob("*") if path.is_file()}
    hub = FakeHub(files | extras)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("PagesOfHub", (Pages,), {"hub": hub}))
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 100_000)  # an incomplete chunk is lost
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_a_pulled_model_loads(hub: FakeHub, models_dir: Path) -> None:
    folder = pull_model("512", models_dir, endpoint=hub.url)

    assert EasyAnimatePipeline.from_pretrained(folder).transformer is not None


def test_the_commit_is_written_down_with_all_hashes(hub: FakeHub, models_dir: Path) -> None:
    folder = pull_model("512", models_dir, endpoint=hub.url)

    source = json.loads((folder / "source.json").read_text())
    assert (source["repository"], source["revision"], source["commit"]) == (REPOSITORY, "main", COMMIT)
    assert source["files"][BIG]["sha256"] == hashlib.sha256((folder / BIG).read_bytes()).hexdigest()


def test_only_what_the_model_needs_is_fetched(hub: FakeHub, models_dir: Path) -> None:
    folder = pull_model("512", models_dir, endpoint=hub.url)

    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == hub.files.keys() - {"README.md", "sample.png"} | {"source.json"}


def test_an_interrupted_file_goes_on_where_it_stopped(hub: FakeHub, models_dir: Path) -> None:
    hub.breaks_after[BIG] = 1_000_000
    with pytest.raises(ModelStoreError, match="again to resume"):
        pull_model("512", models_dir, endpoint=hub.url)
    hub.is_down = False

    pull_model("512", models_dir, endpoint=hub.url)

    size = hub.files[BIG].stat().st_size
    assert hub.sent[BIG] == [(0, 1_000_000), (1_000_000, size - 1_000_000)]


def test_files_that_arrived_before_are_not_fetched_again(hub: FakeHub, models_dir: Path) -> None:
    hub.breaks_after[BIG] = 1_000_000
    with pytest.raises(ModelStoreError):
        pull_model("512", models_dir, endpoint=hub.url)
    hub.is_down = False

    pull_model("512", models_dir, endpoint=hub.url)

    assert {path for path, requests in hub.sent.items() if len(requests) > 1} == {BIG}


def test_an_interrupted_model_is_not_among_the_models(hub: FakeHub, models_dir: Path) -> None:
    hub.breaks_after[BIG] = 1_000_000

    with pytest.raises(ModelStoreError):
        pull_model("512", models_dir, endpoint=hub.url)
    assert [path.name for path in models_dir.iterdir()] == [f".pulling-{NAME}"]


def test_a_file_spoiled_on_this_disk_is_fetched_again(hub: FakeHub, models_dir: Path) -> None:
    spoiled = models_dir / f".pulling-{NAME}" / BIG
    spoiled.parent.mkdir(parents=True)
    spoiled.write_bytes(bytes(hub.files[BIG].stat().st_size))

    folder = pull_model("512", models_dir, endpoint=hub.url)

    assert hash_file(folder / BIG) == hash_file(hub.files[BIG])


@pytest.mark.parametrize("path", [BIG, "vae/config.json"])
def test_a_file_that_keeps_arriving_damaged_is_named(hub: FakeHub, models_dir: Path, path: str) -> None:
    hub.spoils = path

    with pytest.raises(ModelStoreError, match=f"{path} is damaged after the download"):
        pull_model("512", models_dir, endpoint=hub.url)


def test_a_model_that_would_not_load_is_not_put_among_the_models(
    hub: FakeHub, models_dir: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "config.json"
    odd.write_text(hub.files["transformer/config.json"].read_text().replace("gelu-approximate", "geglu"))
    hub.files["transformer/config.json"] = odd

    with pytest.raises(CheckpointError, match="activation_fn"):
        pull_model("512", models_dir, endpoint=hub.url)
    assert not (models_dir / NAME).exists()


def test_a_model_that_is_there_is_not_replaced(hub: FakeHub, models_dir: Path) -> None:
    (models_dir / NAME).mkdir(parents=True)

    with pytest.raises(ModelStoreError, match="exists already"):
        pull_model("512", models_dir, endpoint=hub.url)


def test_a_model_that_is_there_is_replaced_by_force(hub: FakeHub, models_dir: Path) -> None:
    (models_dir / NAME).mkdir(parents=True)

    assert not inspect_model(pull_model("512", models_dir, endpoint=hub.url, force=True)).problems


def test_too_little_disk_space_is_reported_before_any_weights_are_fetched(
    hub: FakeHub, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room._replace(free=1000))

    with pytest.raises(ModelStoreError, match="not enough disk space"):
        pull_model("512", models_dir, endpoint=hub.url)
    assert BIG not in hub.sent


def test_an_unknown_revision_is_named(hub: FakeHub, models_dir: Path) -> None:
    with pytest.raises(ModelStoreError, match="no revision 'v9'"):
        pull_model("512", models_dir, revision="v9", endpoint=hub.url)


def test_a_model_the_hub_does_not_have_is_named(hub: FakeHub, models_dir: Path) -> None:
    with pytest.raises(ModelStoreError, match="has no public model alibaba-pai/EasyAnimateV3-XL-2-InP-960x960"):
        pull_model("960", models_dir, endpoint=hub.url)


def test_a_repository_of_something_else_is_refused(hub: FakeHub, models_dir: Path) -> None:
    hub.files = {"README.md": hub.files["README.md"]}

    with pytest.raises(ModelStoreError, match="holds no model"):
        pull_model("512", models_dir, endpoint=hub.url)


def test_a_hub_that_cannot_be_reached_is_one_sentence(models_dir: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(ModelStoreError, match=r"^the hub is unreachable .* import it$"):
        pull_model("512", models_dir, endpoint=nobody)
    assert not models_dir.exists()


def test_the_published_names_are_pulled_although_a_file_of_another_kind_lies_beside_them(
    hub: FakeHub, models_dir: Path, tmp_path: Path
) -> None:
    hub.files["text_encoder/model-00001-of-00002.safetensors"] = hub.files["README.md"]

    folder = pull_model("512", models_dir, endpoint=hub.url)

    names = {path.name for path in (folder / "text_encoder").iterdir()}
    assert names == {"config.json", TEXT_INDEX, *TEXT_PIECES}
    assert not inspect_model(folder).problems
