"""The allowed content of an archive: plain files in one folder, limited in number and size."""

import tarfile
from pathlib import PurePosixPath

from easyanimate.errors import CheckpointError

MAX_BYTES = 64 << 30  # the published models have 18 GB
MAX_ENTRIES = 10_000
_MAC_ENTRIES = frozenset({"__MACOSX", ".DS_Store", "Icon\r"})  # besides the `._NAME` of each file
_PARTS = frozenset({"transformer", "vae", "text_encoder", "image_encoder", "tokenizer", "model_index.json"})


class Layout:
    """The entries of the archive `label` so far.

    Raises CheckpointError for an entry that is no plain file or folder, has an invalid path, or exceeds a limit.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.files: set[str] = set()
        self.total_bytes = 0
        self._folders: set[str] = set()
        self._tops: list[str] = []
        self._count = 0

    def add(self, member: tarfile.TarInfo) -> str | None:
        """The path of a file in the archive; None for a folder, and for entries that macOS adds, which are skipped."""
        self._check_limits(member)
        parts = tuple(part for part in member.name.split("/") if part not in ("", "."))
        if any(part in _MAC_ENTRIES or part.startswith("._") for part in parts):
            return None
        self._check_kind(member)
        self._check_name(member, parts)
        if parts and parts[0] not in self._tops:
            self._tops.append(parts[0])
        if member.isdir():
            self._add_folder("/".join(parts))
            return None
        self._add_file(parts)
        return "/".join(parts)

    def top(self, *, may_be_flat: bool) -> str:
        """The one folder of all files; "" if there is none, which `may_be_flat` must allow."""
        if not self.files:
            raise CheckpointError(f"{self.label} must hold one folder, the model's, and holds no files")
        if len(self._tops) == 1 and self._tops[0] not in self.files:
            return self._tops[0]
        if _PARTS & set(self._tops):
            if may_be_flat:
                return ""
            raise CheckpointError(
                f"{self.label} holds the files of a model without their folder; set a name with --name"
            )
        if loose := next((top for top in self._tops if top in self.files), None):
            raise CheckpointError(f"{self.label} must hold one folder, the model's; {loose!r} is a file outside of it")
        names = ", ".join(sorted(self._tops)[:5])
        raise CheckpointError(f"{self.label} must hold one folder, the model's, and holds {names}")

    def _check_limits(self, member: tarfile.TarInfo) -> None:
        if member.size < 0 or (member.isdir() and member.size):
            raise CheckpointError(f"{self.label}: {member.name!r} declares a size of {member.size} bytes")
        self._count += 1
        self.total_bytes += member.size
        if self.total_bytes > MAX_BYTES or self._count > MAX_ENTRIES:
            limits = f"{MAX_BYTES >> 30} GiB or {MAX_ENTRIES} entries"
            raise CheckpointError(f"{self.label} unpacks to more than {limits}; that is no model")

    def _check_kind(self, member: tarfile.TarInfo) -> None:
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise CheckpointError(
                f"{self.label}: {member.name!r} is a link, a device or a special file; only plain files are allowed"
            )

    def _check_name(self, member: tarfile.TarInfo, parts: tuple[str, ...]) -> None:
        name = member.name
        odd = name.startswith("/") or "\\" in name or not name.isprintable() or any(_is_odd(part) for part in parts)
        if odd or (member.isreg() and not parts):
            raise CheckpointError(f"{self.label}: {name!r} is no valid path inside the model's folder")

    def _add_file(self, parts: tuple[str, ...]) -> None:
        path = "/".join(parts)
        if path in self.files:
            raise CheckpointError(f"{self.label} holds {path!r} twice")
        if path in self._folders:
            raise CheckpointError(f"{self.label}: {path!r} is a file and a folder too")
        self._add_folder(str(PurePosixPath(path).parent))
        self.files.add(path)

    def _add_folder(self, path: str) -> None:
        for folder in (PurePosixPath(path), *PurePosixPath(path).parents):
            if str(folder) in self.files:
                raise CheckpointError(f"{self.label}: {path!r} is inside of a file, {str(folder)!r}")
            self._folders.add(str(folder))


def _is_odd(part: str) -> bool:
    return part == ".." or ":" in part or len(part.encode()) > 255
