"""What a training writes is whole, or what was there before."""

import pytest

from easyanimate.training.errors import TrainingError
from easyanimate.training.run.export import replace_text, whole_folder, writing


def test_a_folder_takes_the_place_of_the_one_before(tmp_path):
    final = tmp_path / "result"
    for text in ("one", "two"):
        with whole_folder(final) as unfinished:
            (unfinished / "a").write_text(text)
    assert (final / "a").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_what_fails_half_way_leaves_the_folder_as_it_was(tmp_path):
    final = tmp_path / "result"
    with whole_folder(final) as unfinished:
        (unfinished / "a").write_text("one")
    with pytest.raises(TrainingError, match=r"the result could not be written to .*result: \[Errno 28\] no room"):
        fail_half_way(final)
    assert (final / "a").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def fail_half_way(final) -> None:
    with writing("the result", final), whole_folder(final) as unfinished:
        (unfinished / "a").write_text("two")
        raise OSError(28, "no room")


def test_a_text_is_replaced(tmp_path):
    replace_text(tmp_path / "a", "one")
    replace_text(tmp_path / "a", "two")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "two")]
