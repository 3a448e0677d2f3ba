"""A published model from the Hugging Face hub to a folder on the shelf, going on where an earlier try stopped.

The hub library's own `snapshot_download` begins an interrupted file again, and one file of these has 9.5 GB.
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
_TRIES = 2  # a file that arrives damaged is fetched once more


@dataclass(frozen=True)
class HubFile:
    """A file as the hub describes it; large ones have a `sha256`, all have the id of a git blob."""

    path: str
    size_bytes: int
    blob_id: str
    sha256: str | None


@dataclass(frozen=True)
class Listing:
    """A model on the hub at one commit, and all its files by their paths."""

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
    """Download the published model `name`, check it, and put it on the shelf; the folder it lies in then.

    `revision` is a branch, tag or commit; the commit it means is written to source.json. `endpoint` is the hub's
    address. Raises InvalidInput for a name that is not published, ModelStoreError if the hub cannot be reached, has
    no such revision, or there is no room, and CheckpointError if what arrived would not load. What has arrived stays
    for the next call.
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
    """What the hub has of `repository` at `revision`; ModelStoreError if it does not answer or has none."""
    try:
        info = HfApi(endpoint=endpoint, token=False).model_info(repository, revision=revision, files_metadata=True)
    except RevisionNotFoundError as problem:
        raise ModelStoreError(f"{repository} has no revision {revision!r} on the hub") from problem
    except RepositoryNotFoundError as problem:
        raise ModelStoreError(f"the hub has no model {repository} that is open to all") from problem
    except Exception as problem:  # the hub library raises many kinds
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
    """The files to download. The index files come first: they name the pieces."""

    def read(path: str) -> bytes:
        file = listing.files[path]
        if file.size_bytes > MAX_INDEX_BYTES:
            raise CheckpointError(f"{path} has {file.size_bytes} bytes; an index of weight files is smaller")
        _fetch(folder, file, listing)
        return (folder / path).read_bytes()

    return [listing.files[path] for path in needed_files(listing.files, read)]


def _unreachable(problem: Exception) -> ModelStoreError:
    if isinstance(problem, OfflineModeIsEnabled):
        return ModelStoreError("the hub library is set to stay offline; unset HF_HUB_OFFLINE, or import an archive")
    reason = str(problem).strip().split("\n")[0] or type(problem).__name__
    return ModelStoreError(
        f"the hub cannot be reached or broke off ({reason}); run the same command again to go on, "
        "or take the archive to this machine and import it"
    )


def _part(folder: Path, file: HubFile) -> Path:
    """Where `file` grows; named after its content, so that a newer version does not go on with an older one."""
    return folder / f"{file.path}.{(file.sha256 or file.blob_id)[:16]}{_UNFINISHED}"


def _missing_bytes(folder: Path, needed: Sequence[HubFile]) -> int:
    there = 0
    for file in needed:
        for path in (folder / file.path, _part(folder, file)):
            there += min(path.stat().st_size, file.size_bytes) if path.is_file() else 0
    return max(0, sum(file.size_bytes for file in needed) - there)


def _fetch(folder: Path, file: HubFile, listing: Listing) -> StoredFile:
    """Make sure that `file` lies whole and right in `folder`."""
    path = folder / file.path
    for _ in range(_TRIES):
        if not path.is_file():
            _download(path, _part(folder, file), file, listing)
        sha256 = hash_file(path)
        if path.stat().st_size == file.size_bytes and _is_right(path, sha256, file):
            return StoredFile(file.size_bytes, sha256)
        path.unlink()
    raise ModelStoreError(f"{file.path} arrives damaged: its hash is not the one the hub names; try again later")


def _is_right(path: Path, sha256: str, file: HubFile) -> bool:
    return sha256 == file.sha256 if file.sha256 else git_blob_id(path) == file.blob_id


def _download(path: Path, part: Path, file: HubFile, listing: Listing) -> None:
    """Fetch what `part` lacks of `file`, then call it `path`."""
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
        except Exception as problem:  # the hub library raises many kinds
            raise _unreachable(problem) from problem
    part.rename(path)


def _remove_others(folder: Path, needed: Sequence[HubFile]) -> None:
    """Leave in `folder` what is `needed`; what earlier tries at other commits left goes."""
    wanted = {folder / file.path for file in needed}
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in wanted]:
        path.unlink()
    for child in folder.iterdir():
        if child.is_dir() and not any(child.iterdir()):
            shutil.rmtree(child)
