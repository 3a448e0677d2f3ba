"""The format of a stored window: its frames as lossless video, and a small file with what the next window needs.

The second file has a label in its header: the key of the window, and the checksums of both. The key is the hash of all
that determined the window: its inputs, the model, the device, the code, and its owner.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field

from jobs.storage.paths import WINDOW_FRAMES, WINDOW_STATE

FORMAT = 1
LABEL = "window"


class InvalidWindow(Exception):
    """A stored window cannot be read, or is not the one that it should be."""


class WindowLabel(BaseModel, frozen=True):
    """What a window is. `frames_sha256` is that of its pixels, `sha256` that of the state beside them."""

    format: int = FORMAT
    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    num_frames: int
    frames_sha256: str
    sha256: str = ""


@dataclass(frozen=True)
class WindowFiles:
    """The two files of a window in a folder on disk."""

    folder: Path
    key: str

    @property
    def frames(self) -> Path:
        """The file with the frames."""
        return self.folder / f"{self.key}{WINDOW_FRAMES}"

    @property
    def state(self) -> Path:
        """The file with the label, the last frames and the state of the generator."""
        return self.folder / f"{self.key}{WINDOW_STATE}"

    @property
    def paths(self) -> tuple[Path, Path]:
        """Both files, the frames first: the state is stored last."""
        return self.frames, self.state

    @property
    def size_bytes(self) -> int:
        """The size of both."""
        return sum(path.stat().st_size for path in self.paths)

    def delete(self) -> None:
        """Deletes both; missing files are no error."""
        for path in self.paths:
            path.unlink(missing_ok=True)


def window_scope(owner: str) -> str:
    """What the keys of an owner's windows depend on; the engine does not know the owner."""
    return hashlib.sha256(f"windows of {owner}".encode("utf-8", "surrogatepass")).hexdigest()


def window_key(scope: str, fingerprint: str, inputs_sha256: str) -> str:
    """The hash of all that determines a window. `fingerprint` is that of model, LoRAs, device, libraries and code."""
    return hashlib.sha256(json.dumps([FORMAT, scope, fingerprint, inputs_sha256]).encode()).hexdigest()
