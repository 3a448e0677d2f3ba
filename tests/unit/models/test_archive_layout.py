"""An archive of a model holds plain files in one folder; what leads elsewhere is refused before it is written."""

import tarfile
from typing import Any

import pytest

from easyanimate.errors import CheckpointError
from easyanimate.models.transfer import archive_layout
from easyanimate.models.transfer.archive_layout import Layout


def entry(name: str, size: int = 1, **fields: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def layout_of(*members: tarfile.TarInfo) -> Layout:
    layout = Layout("model.tar")
    for member in members:
        layout.add(member)
    return layout


@pytest.mark.parametrize(
    ("member", "complaint"),
    [
        (entry("m/../../evil"), "no valid path"),
        (entry("/etc/passwd"), "no valid path"),
        (entry("m/a\\b"), "no valid path"),
        (entry("C:/m/a"), "no valid path"),
        (entry("m/a\nb"), "no valid path"),
        (entry("m/" + "a" * 256), "no valid path"),
        (entry("m/link", 0, type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is a link"),
        (entry("m/link", 0, type=tarfile.LNKTYPE, linkname="m/good"), "is a link"),
        (entry("m/device", 0, type=tarfile.CHRTYPE), "is a link, a device"),
        (entry("m/pipe", 0, type=tarfile.FIFOTYPE), "is a link, a device"),
        (entry("m/negative", -1), "declares a size"),
        (entry("m/folder", 1, type=tarfile.DIRTYPE), "declares a size"),
        (entry("m/./good"), "twice"),
        (entry("m/good/inside"), "inside of a file"),
        (entry("m"), "a file and a folder"),
    ],
    ids=lambda value: repr(value.name)[:20] if isinstance(value, tarfile.TarInfo) else "",
)
def test_an_entry_that_is_no_plain_file_of_the_folder_is_refused(member: tarfile.TarInfo, complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        layout_of(entry("m/good"), member)


@pytest.mark.parametrize("name", ["m/._good", "m/.DS_Store", "__MACOSX/m/good"])
def test_entries_of_macos_are_skipped(name: str) -> None:
    layout = layout_of(entry("m/good"), entry(name))
    assert (layout.files, layout.top(may_be_flat=False)) == ({"m/good"}, "m")


def test_the_path_of_a_file_has_no_dots() -> None:
    layout = Layout("model.tar")
    assert layout.add(entry("./m//vae/./config.json")) == "m/vae/config.json"
    assert layout.add(entry("m/vae", 0, type=tarfile.DIRTYPE)) is None


def test_files_in_two_folders_or_beside_the_folder_are_refused() -> None:
    for other, complaint in (("other/file", "must hold one folder"), ("loose", "outside of it")):
        with pytest.raises(CheckpointError, match=complaint):
            layout_of(entry("m/good"), entry(other)).top(may_be_flat=True)


def test_a_model_without_a_folder_needs_a_name() -> None:
    flat = layout_of(entry("vae/config.json"), entry("transformer/config.json"))
    assert flat.top(may_be_flat=True) == ""
    with pytest.raises(CheckpointError, match="--name"):
        flat.top(may_be_flat=False)


def test_the_size_and_the_number_of_entries_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    layout_of(entry("m/large", archive_layout.MAX_BYTES))
    with pytest.raises(CheckpointError, match="64 GiB"):
        layout_of(entry("m/large", archive_layout.MAX_BYTES), entry("m/one", 1))
    monkeypatch.setattr(archive_layout, "MAX_ENTRIES", 2)
    with pytest.raises(CheckpointError, match="2 entries"):
        layout_of(*(entry(f"m/{name}") for name in "abc"))
