"""An archive of a model holds plain files in one folder; what leads elsewhere is refused before it is written."""

import tarfile

import pytest

from easyanimate.errors import CheckpointError
from easyanimate.models.transfer import archive_layout
from easyanimate.models.transfer.archive_layout import Layout
from tests.archive_members import REFUSED_MEMBERS, member


def layout_of(*members: tarfile.TarInfo) -> Layout:
    layout = Layout("model.tar")
    for each in members:
        layout.add(each)
    return layout


@pytest.mark.parametrize(
    ("refused", "complaint"),
    [
        *REFUSED_MEMBERS,
        (member("m/negative", -1), "declares a size"),
        (member("m/folder", 1, type=tarfile.DIRTYPE), "declares a size"),
        (member("m"), "a file and a folder"),
    ],
    ids=lambda value: repr(value.name)[:20] if isinstance(value, tarfile.TarInfo) else "",
)
def test_an_entry_that_is_no_plain_file_of_the_folder_is_refused(refused: tarfile.TarInfo, complaint: str) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        layout_of(member("m/good"), refused)


@pytest.mark.parametrize("name", ["m/._good", "m/.DS_Store", "__MACOSX/m/good"])
def test_entries_of_macos_are_skipped(name: str) -> None:
    layout = layout_of(member("m/good"), member(name))
    assert (layout.files, layout.top(may_be_flat=False)) == ({"m/good"}, "m")


def test_the_path_of_a_file_has_no_dots() -> None:
    layout = Layout("model.tar")
    assert layout.add(member("./m//vae/./config.json")) == "m/vae/config.json"
    assert layout.add(member("m/vae", 0, type=tarfile.DIRTYPE)) is None


def test_files_in_two_folders_or_beside_the_folder_are_refused() -> None:
    for other, complaint in (("other/file", "must hold one folder"), ("loose", "outside of it")):
        with pytest.raises(CheckpointError, match=complaint):
            layout_of(member("m/good"), member(other)).top(may_be_flat=True)


def test_a_model_without_a_folder_needs_a_name() -> None:
    flat = layout_of(member("vae/config.json"), member("transformer/config.json"))
    assert flat.top(may_be_flat=True) == ""
    with pytest.raises(CheckpointError, match="--name"):
        flat.top(may_be_flat=False)


def test_the_size_and_the_number_of_entries_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    layout_of(member("m/large", archive_layout.MAX_BYTES))
    with pytest.raises(CheckpointError, match="64 GiB"):
        layout_of(member("m/large", archive_layout.MAX_BYTES), member("m/one", 1))
    monkeypatch.setattr(archive_layout, "MAX_ENTRIES", 2)
    with pytest.raises(CheckpointError, match="2 entries"):
        layout_of(*(member(f"m/{name}") for name in "abc"))
