"""The YAML file of a film's shots: every fault names its line."""

from pathlib import Path

import pytest

from cli.errors import RefusedCommand
from cli.shots_file import read_shots

GOOD = """\
# two shots
- prompt: a large red circle
  num_frames: 24
- prompt: "no"
  seconds: 2
  negative_prompt: blurry
  image: images/start.png
  last_image: end.png
  seed: 7
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_a_list_of_shots(tmp_path: Path) -> None:
    first, second = read_shots(write(tmp_path / "film.yaml", GOOD))
    assert first.model_dump(exclude_none=True) == {"prompt": "a large red circle", "num_frames": 24}
    assert second.model_dump(exclude_none=True) == {
        "prompt": "no", "seconds": 2, "negative_prompt": "blurry", "image": "images/start.png",
        "last_image": "end.png", "seed": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("", 1, "must be a list of shots"),
        ("shots:\n  - prompt: a", 1, "must be a list of shots"),
        ("- prompt: a\n  num_frames: 8\n- [", 3, "this is not valid YAML"),
        ("- prompt: a\n  num_frames: 8\n- b\n", 3, "shots[1] must have fields"),
        ("- num_frames: 8\n", 1, "shots[0].prompt is missing"),
        ("- prompt: no\n  num_frames: 8\n", 1, "shots[0].prompt must be text; put it in quotes"),
        ("- prompt: a\n\n  num_frames: many\n", 3, "shots[0].num_frames must be a whole number"),
        ("- prompt: a\n  num_frames: 8.0\n", 2, "shots[0].num_frames must be a whole number"),
        ("- prompt: a\n  num_frames: 4\n", 2, "shots[0].num_frames must be 8 or more"),
        ("- prompt: a\n  num_frames: true\n", 2, "shots[0].num_frames must be a whole number"),
        ("- prompt: a\n  seconds: 0\n", 2, "shots[0].seconds must be above 0"),
        ("- prompt: a\n  seconds: .inf\n", 2, "shots[0].seconds must be a number"),
        ("- prompt: a\n  num_frames: 8\n  overlap: 9\n", 3, "shots[0].overlap must be at most 4"),
        ("- prompt: a\n  num_frames: 8\n  image: s.png\n  overlap: 2\n", 4, "begins with a cut"),
        ("- prompt: a\n  num_frames: 8\n- prompt: b\n", 3, "shots[1] needs num_frames or seconds"),
        ("- prompt: a\n  num_frames: 8\n  seconds: 1\n", 3, "shots[0] has both num_frames and seconds"),
        ("- prompt: a\n  num_frame: 8\n", 2, "shots[0] has no field num_frame; did you mean num_frames?"),
        ("- prompt: a\n  prompt: b\n  num_frames: 8\n", 2, "shots[0] has prompt twice"),
        ("- prompt: a\n  num_frames: 8\n" * 65, 129, "a film has at most 64 shots"),
        ("- prompt: a\n  num_frames: 8\n---\n- prompt: b\n", 3, "this is not valid YAML"),
        ("- !!python/object:os.system {}\n", 1, "this is not valid YAML"),
    ],
)
def test_a_fault_names_its_line(tmp_path: Path, text: str, line: int, sentence: str) -> None:
    path = write(tmp_path / "film.yaml", text)
    with pytest.raises(RefusedCommand) as refusal:
        read_shots(path)
    assert str(refusal.value).startswith(f"{path}, line {line}: ")
    assert sentence in str(refusal.value)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("film.yaml", "missing.yaml"):
        with pytest.raises(RefusedCommand, match="cannot be read"):
            read_shots(tmp_path / name)
