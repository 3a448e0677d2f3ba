"""Files and folders of a training are written atomically."""

import pytest

from easyanimate.training.errors import TrainingError
from easyanimate.training.run.export import atomic_folder, replace_text_file, write_errors


def test_a_folder_replaces_the_earlier_one(tmp_path):
    final = tmp_path / "result"
    for text in ("one", "two"):
        with atomic_folder(final) as unfinished:
            (unfinished / "a").write_text(text)
    assert (final / "a").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_a_failed_write_keeps_the_earlier_folder(tmp_path):
    final = tmp_path / "result"
    with atomic_folder(final) as unfinished:
        (unfinished / "a").write_text("one")
    with pytest.raises(TrainingError, match=r"the result could not be written to .*result: \[Errno 28\] no space"):
        fail_half_way(final)
    assert (final / "a").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def fail_half_way(final) -> None:
    with write_errors("the result", final), atomic_folder(final) as unfinished:
        (unfinished / "a").write_text("two")
        raise OSError(28, "no space")


def test_a_text_is_replaced(tmp_path):
    replace_text_file(tmp_path / "a", "one")
    replace_text_file(tmp_path / "a", "two")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "two")]
