"""Downloads a published model from the Hugging Face hub into the models folder; an interrupted download resumes.

`snapshot_download` of the hub library restarts an interrupted file, and one file of these models has 9.5 GB.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.file_download import http_get

from easyanimate.errors import CheckpointError
from easyanimate.models.card_file import CardFactory, add_card
from easyanimate.models.errors import ModelStoreError
from easyanimate.models.inspection import require_loadable
from easyanimate.models.published import OWNER, needed_files, published_name
from easyanimate.models.transfer.source import StoredFile, git_blob_id, hash_file, write_source
from easyanimate.models.transfer.staging import check_name_is_free, ensure_disk_space, staging_folder

MAX_INDEX_BYTES = 16 << 20  # the published one has 21 kB
_UNFINISHED = ".part"
MAX_DOWNLOAD_TRIES = 2  # a damaged file is downloaded once more


@dataclass(frozen=True)
class HubFile:
    """A file in the hub's listing; large files have a `sha256`, all have the id of a git blob."""

    path: str
    size_bytes: int
    blob_id: str
    sha256: str | None


@dataclass(frozen=True)
class Listing:
    """All files of a model on the hub at one commit, by their paths."""

    repository: str
    commit: str
    files: Mapping[str, HubFile]
    endpoint: str | None


def pull_model(
    name: str,
    models_dir: Path,
    *,
    revision: str = "main",
    endpoint: str | None = None,
    force: bool = False,
    make_card: CardFactory | None = None,
) -> Path:
    """Downloads the published model `name`, checks it, and adds it to the models folder. Returns its folder.

    `revision` is a branch, tag or commit; the resolved commit is written to source.json. `endpoint` is the address of
    the hub. Downloaded files stay for the next call.
    Raises InvalidInput for a name that is not published, and CheckpointError if the downloaded model would not load.
    Raises ModelStoreError if the hub is unreachable, has no such revision, or the disk is full.
    """
    name = published_name(name)
    check_name_is_free(models_dir, name, force=force)
    listing = fetch_listing(f"{OWNER}/{name}", revision, endpoint)
    with staging_folder(models_dir, name, "pulling", force=force, keep=True) as folder:
        needed = _needed(folder, listing)
        ensure_disk_space(models_dir, _missing_bytes(folder, needed))
        files = {file.path: _fetch(folder, file, listing) for file in needed}
        _remove_others(folder, needed)
        require_loadable(folder)
        add_card(folder, name, name, make_card)
        origin = {"repository": listing.repository, "revision": revision, "commit": listing.commit}
        write_source(folder, origin, files)
    return models_dir / name


def fetch_listing(repository: str, revision: str, endpoint: str | None) -> Listing:
    """The files of `repository` at `revision`. ModelStoreError if the hub is unreachable or has no such model."""
    try:
        info = HfApi(endpoint=endpoint, token=False).model_info(repository, revision=revision, files_metadata=True)
    except RevisionNotFoundError as problem:
        raise ModelStoreError(f"{repository} has no revision {revision!r} on the hub") from problem
    except RepositoryNotFoundError as problem:
        raise ModelStoreError(f"the hub has no public model {repository}") from problem
    except Exception as problem:  # the hub library raises many types
        raise _unreachable(problem) from problem
    files = {
        sibling.rfilename: HubFile(
            sibling.rfilename,
            sibling.size or 0,
            sibling.blob_id or "",
            sibling.lfs.sha256 if sibling.lfs else None,
        )
        for sibling in info.siblings or []
    }
    if not any(path.startswith("transformer/") for path in files) or not info.sha:
        raise ModelStoreError(f"{repository} at {revision!r} holds no model in the published layout")
    return Listing(repository, info.sha, files, endpoint)


def _needed(folder: Path, listing: Listing) -> list[HubFile]:
    """The files to download. Index files are downloaded at once, because they name the pieces."""

    def read(path: str) -> bytes:
        file = listing.files[path]
        if file.size_bytes > MAX_INDEX_BYTES:
            raise CheckpointError(f"{path} has {file.size_bytes} bytes; an index of weight files is smaller")
        _fetch(folder, file, listing)
        return (folder / path).read_bytes()

    return [listing.files[path] for path in needed_files(listing.files, read)]


def _unreachable(problem: Exception) -> ModelStoreError:
    if isinstance(problem, OfflineModeIsEnabled):
        return ModelStoreError("the hub library is in offline mode; unset HF_HUB_OFFLINE, or import an archive")
    reason = str(problem).strip().split("\n")[0] or type(problem).__name__
    return ModelStoreError(
        f"the hub is unreachable or the connection broke ({reason}); run the same command again to resume, "
        "or copy the archive to this machine and import it"
    )


def _part(folder: Path, file: HubFile) -> Path:
    """The path of a partial `file`; the hash in its name prevents a resume with another version."""
    return folder / f"{file.path}.{(file.sha256 or file.blob_id)[:16]}{_UNFINISHED}"


def _missing_bytes(folder: Path, needed: Sequence[HubFile]) -> int:
    there = 0
    for file in needed:
        for path in (folder / file.path, _part(folder, file)):
            there += min(path.stat().st_size, file.size_bytes) if path.is_file() else 0
    return max(0, sum(file.size_bytes for file in needed) - there)


def _fetch(folder: Path, file: HubFile, listing: Listing) -> StoredFile:
    """Downloads `file` into `folder` unless it is complete, and checks its hash."""
    path = folder / file.path
    for _ in range(MAX_DOWNLOAD_TRIES):
        if not path.is_file():
            _download(path, _part(folder, file), file, listing)
        sha256 = hash_file(path)
        if path.stat().st_size == file.size_bytes and _is_right(path, sha256, file):
            return StoredFile(file.size_bytes, sha256)
        path.unlink()
    raise ModelStoreError(
        f"{file.path} is damaged after the download: its hash differs from the one on the hub; try again later"
    )


def _is_right(path: Path, sha256: str, file: HubFile) -> bool:
    return sha256 == file.sha256 if file.sha256 else git_blob_id(path) == file.blob_id


def _download(path: Path, part: Path, file: HubFile, listing: Listing) -> None:
    """Downloads the rest of `file` to `part`, then renames it to `path`."""
    part.parent.mkdir(parents=True, exist_ok=True)
    url = hf_hub_url(listing.repository, file.path, revision=listing.commit, endpoint=listing.endpoint)
    with part.open("ab") as unfinished:
        if unfinished.tell() > file.size_bytes:
            unfinished.seek(0)
            unfinished.truncate()
        try:
            location = get_hf_file_metadata(url, token=False, retry_on_errors=True).location
            http_get(
                location,
                unfinished,
                resume_size=unfinished.tell(),
                expected_size=file.size_bytes,
                displayed_filename=file.path,
            )
        except OSError as problem:
            if problem.errno is not None:  # of the disk, not of the network
                raise
            raise _unreachable(problem) from problem
        except Exception as problem:  # the hub library raises many types
            raise _unreachable(problem) from problem
    part.rename(path)


def _remove_others(folder: Path, needed: Sequence[HubFile]) -> None:
    """Deletes all files in `folder` except the `needed` ones, such as those of other commits."""
    wanted = {folder / file.path for file in needed}
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in wanted]:
        path.unlink()
    for child in folder.iterdir():
        if child.is_dir() and not any(child.iterdir()):
            shutil.rmtree(child)
