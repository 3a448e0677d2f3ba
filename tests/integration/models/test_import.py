"""An archive becomes a model that loads, or leaves no files."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from easyanimate import EasyAnimatePipeline
from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.models.errors import ModelStoreError
from easyanimate.models.transfer import archive as archives
from easyanimate.models.transfer import archive_layout
from easyanimate.models.transfer.archive import import_archive
from easyanimate.models.transfer.staging import staging_folder
from tests.archive_members import REFUSED_MEMBERS, member

pytestmark = pytest.mark.slow

NAME = "EasyAnimateV3-XL-2-InP-512x512"
ROOM = shutil.disk_usage("/")
Member = tuple[tarfile.TarInfo, bytes]


def entry(name: str, content: bytes = b"x") -> Member:
    """A plain file of an archive."""
    return member(name, len(content)), content


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def crafted(tmp_path: Path) -> Callable[..., Path]:
    """An archive with the given members."""

    def make(*members: Member) -> Path:
        path = tmp_path / "crafted.tar"
        with tarfile.open(path, "w") as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))
        return path

    return make


def frames(folder: Path) -> np.ndarray:
    pipe = EasyAnimatePipeline.from_pretrained(folder)
    settings = {"height": 32, "width": 32, "num_frames": 8, "num_inference_steps": 1}
    return np.asarray(pipe("a red ball", generator=7, output_type="np", **settings).frames)


@pytest.fixture(scope="module")
def plain_frames(plain_model: Path) -> np.ndarray:
    return frames(plain_model)


def test_an_imported_archive_makes_the_same_frames_as_the_weights_in_it(
    archive: Path, models_dir: Path, plain_frames: np.ndarray
) -> None:
    folder = import_archive(archive, models_dir)

    np.testing.assert_array_equal(frames(folder), plain_frames)


def test_an_archive_of_zipped_pickles_makes_the_same_frames_too(
    older_folder: Path, pack: Callable[..., Path], models_dir: Path, plain_frames: np.ndarray
) -> None:
    folder = import_archive(pack(older_folder, "gz"), models_dir)

    np.testing.assert_array_equal(frames(folder), plain_frames)


def test_the_folder_in_the_archive_names_the_model(archive: Path, models_dir: Path) -> None:
    assert import_archive(archive, models_dir) == models_dir / NAME


def test_a_model_can_have_another_name(archive: Path, models_dir: Path) -> None:
    assert import_archive(archive, models_dir, name="mine") == models_dir / "mine"


def test_every_file_is_written_down_with_its_hash(archive: Path, models_dir: Path) -> None:
    folder = import_archive(archive, models_dir)

    written = set(json.loads((folder / "source.json").read_text())["files"])
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert written == there - {"source.json"}


def test_a_model_without_a_card_gets_the_card_of_the_caller(archive: Path, models_dir: Path) -> None:
    folder = import_archive(archive, models_dir, name="mine", make_card=lambda published_as, name: published_as + name)

    assert (folder / "card.json").read_text() == NAME + "mine"


def test_names_that_begin_with_a_dot_and_slash_are_taken(
    published_folder: Path, tmp_path: Path, models_dir: Path
) -> None:
    path = tmp_path / "dotted.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(published_folder, f"./{NAME}")

    assert import_archive(path, models_dir) == models_dir / NAME


@pytest.mark.parametrize(
    ("refused", "complaint"),
    [
        *(((info, b"x" * info.size), complaint) for info, complaint in REFUSED_MEMBERS),
        (entry("m/good"), "twice"),
        (entry("other/file"), "one folder"),
        (entry("loose"), "outside of it"),
    ],
    ids=lambda value: repr(value[0].name)[:20] if isinstance(value, tuple) else "",
)
def test_what_would_lie_elsewhere_or_is_no_plain_file_is_refused_before_anything_is_written(
    crafted: Callable[..., Path], models_dir: Path, refused: Member, complaint: str
) -> None:
    path = crafted(entry("m/good"), refused)

    with pytest.raises(CheckpointError, match=complaint):
        import_archive(path, models_dir)
    assert not models_dir.exists()


@pytest.mark.parametrize("prefix", ["", "./"])
def test_files_without_a_folder_are_imported_under_a_name_and_refused_without_one(
    published_folder: Path, tmp_path: Path, models_dir: Path, prefix: str
) -> None:
    with tarfile.open(tmp_path / "flat.tar", "w") as tar:
        for child in published_folder.iterdir():
            tar.add(child, f"{prefix}{child.name}")

    with pytest.raises(CheckpointError, match="without their folder; set a name with --name"):
        import_archive(tmp_path / "flat.tar", models_dir)
    folder = import_archive(tmp_path / "flat.tar", models_dir, name="mine")

    assert {path.name for path in folder.iterdir()} - {"source.json"} == {
        path.name for path in published_folder.iterdir()
    }


def test_what_a_mac_adds_is_left_out(published_folder: Path, tmp_path: Path, models_dir: Path) -> None:
    path = tmp_path / "mac.tar"
    with tarfile.open(path, "w") as tar:
        for name in (
            f"._{NAME}",
            ".DS_Store",
            f"__MACOSX/{NAME}/._vae",
            f"{NAME}/.DS_Store",
            f"{NAME}/vae/._config.json",
        ):
            info, content = entry(name)
            tar.addfile(info, io.BytesIO(content))
        tar.add(published_folder, NAME)

    folder = import_archive(path, models_dir)

    assert not [name for name in folder.rglob("*") if name.name.startswith(".")]


@pytest.mark.parametrize(
    ("start", "complaint"),
    [
        (b"PK\x03\x04", r"is a \.zip file; only \.tar and \.tar\.gz are supported; unzip it"),
        (b"BZh91AY", r"compressed with bzip2.*bzip2 -dc FILE \| easyanimate models import -"),
        (b"\xfd7zXZ\x00", "compressed with xz"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a git-LFS pointer"),
        (b"<!DOCTYPE html>", "is a page of HTML"),
    ],
)
def test_another_kind_of_archive_is_refused_by_its_kind(
    tmp_path: Path, models_dir: Path, start: bytes, complaint: str
) -> None:
    path = tmp_path / "model.tar"
    path.write_bytes(start + b"\n" * 600)

    with pytest.raises(CheckpointError, match=complaint):
        import_archive(path, models_dir)


def test_the_error_for_a_folder_advises_to_move_it(published_folder: Path, models_dir: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"is a folder, not an archive; .* move it to {models_dir / NAME}"):
        import_archive(published_folder, models_dir)


def test_an_archive_that_ends_between_two_files_is_refused(crafted: Callable[..., Path], models_dir: Path) -> None:
    path = crafted(entry("m/a"), entry("m/b"))
    path.write_bytes(path.read_bytes()[:1024])

    with pytest.raises(CheckpointError, match="the end marker is missing"):
        import_archive(path, models_dir)


def test_an_archive_that_claims_a_huge_file_is_refused(tmp_path: Path, models_dir: Path) -> None:
    path = tmp_path / "huge.tar"
    path.write_bytes(member("m/huge", size=archive_layout.MAX_BYTES + 1).tobuf() + bytes(1024))

    with pytest.raises(CheckpointError, match="unpacks to more than 64 GiB"):
        import_archive(path, models_dir)


def test_an_archive_of_very_many_entries_is_refused(
    crafted: Callable[..., Path], models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_layout, "MAX_ENTRIES", 3)

    with pytest.raises(CheckpointError, match="or 3 entries"):
        import_archive(crafted(*(entry(f"m/{number}") for number in range(4))), models_dir)


def test_a_header_that_claims_to_be_huge_is_not_read_into_memory(tmp_path: Path, models_dir: Path) -> None:
    path = tmp_path / "header.tar"
    path.write_bytes(member("m/x", type=tarfile.XHDTYPE, size=1 << 30).tobuf() + bytes(1024))

    with pytest.raises(CheckpointError, match="a header declares 1073741824 bytes"):
        import_archive(path, models_dir)


@pytest.mark.parametrize("content", [b"", b"not an archive at all" * 100, b"\x1f\x8b" + bytes(100)])
def test_what_is_no_archive_is_refused(tmp_path: Path, models_dir: Path, content: bytes) -> None:
    path = tmp_path / "odd.tar"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match="no tar archive"):
        import_archive(path, models_dir)


@pytest.mark.parametrize("compression", ["", "gz"])
def test_an_archive_cut_short_is_refused(
    published_folder: Path, pack: Callable[..., Path], tmp_path: Path, models_dir: Path, compression: str
) -> None:
    whole = pack(published_folder, compression)
    cut = tmp_path / whole.name
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    with pytest.raises(CheckpointError, match="cut short"):
        import_archive(cut, models_dir)
    assert not models_dir.exists()


def test_an_archive_that_is_not_there_is_refused(tmp_path: Path, models_dir: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        import_archive(tmp_path / "none.tar", models_dir)


def test_an_archive_of_something_else_leaves_nothing(crafted: Callable[..., Path], models_dir: Path) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)would not load.*text_encoder.*transformer"):
        import_archive(crafted(entry("m/notes.txt")), models_dir)
    assert list(models_dir.iterdir()) == []


def test_a_pickle_that_would_run_code_leaves_nothing(
    published_folder: Path, pack: Callable[..., Path], tmp_path: Path, models_dir: Path
) -> None:
    evil = Path(shutil.copytree(published_folder, tmp_path / NAME))
    (evil / "image_encoder" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/evil'\ntR.")

    with pytest.raises(CheckpointError, match="holds more than tensors"):
        import_archive(pack(evil), models_dir)
    assert list(models_dir.iterdir()) == []


def test_a_model_of_that_name_is_not_replaced(archive: Path, models_dir: Path) -> None:
    import_archive(archive, models_dir)

    with pytest.raises(ModelStoreError, match="--force"):
        import_archive(archive, models_dir)


def test_a_model_of_that_name_is_replaced_by_force(archive: Path, models_dir: Path) -> None:
    (models_dir / NAME).mkdir(parents=True)
    (models_dir / NAME / "old").touch()

    import_archive(archive, models_dir, force=True)

    assert not (models_dir / NAME / "old").exists()
    assert [path.name for path in models_dir.iterdir()] == [NAME]


def test_a_replacement_that_would_not_load_leaves_the_old_model(crafted: Callable[..., Path], models_dir: Path) -> None:
    (models_dir / "m").mkdir(parents=True)
    (models_dir / "m" / "old").touch()

    with pytest.raises(CheckpointError, match="would not load"):
        import_archive(crafted(entry("m/notes.txt")), models_dir, force=True)
    assert (models_dir / "m" / "old").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "loras", "a" * 101])
def test_a_name_that_is_no_folder_name_is_refused(archive: Path, models_dir: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a model's name"):
        import_archive(archive, models_dir, name=name)


def test_too_little_disk_space_is_reported_before_anything_is_written(
    archive: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: ROOM._replace(free=1000))

    with pytest.raises(ModelStoreError, match="not enough disk space"):
        import_archive(archive, models_dir)
    assert list(models_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("stop", "raised"), [(OSError(28, "No space left"), ModelStoreError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_full_disk_or_an_interruption_leaves_nothing(
    archive: Path,
    models_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: BaseException,
    raised: type[BaseException],
) -> None:
    written: list[Path] = []
    write = archives._write

    def stop_at_the_third(content: object, path: Path, bar: object) -> object:
        written.append(path)
        if len(written) == 3:
            raise stop
        return write(content, path, bar)  # type: ignore[arg-type]

    monkeypatch.setattr(archives, "_write", stop_at_the_third)

    with pytest.raises(raised):
        import_archive(archive, models_dir)
    assert list(models_dir.iterdir()) == []


def test_what_a_killed_import_left_is_cleared_by_the_next(archive: Path, models_dir: Path) -> None:
    left = models_dir / f".importing-{NAME}" / "transformer"
    left.mkdir(parents=True)
    (left / "half").touch()

    folder = import_archive(archive, models_dir)

    assert not (folder / "transformer" / "half").exists()


def test_two_imports_of_one_name_do_not_meet(archive: Path, models_dir: Path) -> None:
    with (
        staging_folder(models_dir, NAME, "importing", force=True, keep=False) as folder,
        pytest.raises(ModelStoreError, match="another process"),
    ):
        import_archive(archive, models_dir)
    assert folder != models_dir / NAME


def test_a_folder_that_cannot_be_written_to_is_named(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ModelStoreError, match="file/models cannot be written to"):
        import_archive(archive, tmp_path / "file" / "models")
