"""The table of `make upgrade-test`, and its answer for a release that the clone does not have."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.upgrades.__main__ import main
from tests.upgrades.load import Counts
from tests.upgrades.releases import COMMITS, Release, ReleaseMissing, find_commit
from tests.upgrades.report import BEGIN, END, Row, table, write_block

ORDER = ("worker", "keeper", "api")


def test_a_missing_release_is_one_sentence_with_advice(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(ReleaseMissing):
        find_commit("HEAD", tmp_path)
    assert main(["--release", "v999.0.0"]) == 2
    assert capsys.readouterr().err == (
        "upgrade-test: this clone has no release v999.0.0; fetch it with `git fetch --tags`, "
        "or choose another: make upgrade-test RELEASE=COMMIT\n"
    )


@pytest.mark.parametrize("name", ["lost", "failed", "twice"])
def test_a_job_that_is_lost_or_fails_or_has_two_results_is_a_loss(name: str) -> None:
    assert not Counts(submitted=2, finished=2, errors=Counter({"503 queue_unavailable": 9})).is_loss
    assert Counts(**{name: 1}).is_loss


def test_the_table_has_a_row_for_each_order_and_one_for_all() -> None:
    rows = [
        Row("upgrade", ORDER, Counts(5, 4, 1, 0, 0, Counter({"ConnectError": 2})), [0, 0, 0], 10.2),
        Row("rollback", ORDER, Counts(3, 2, 0, 1, 0), [0, 0, 1], 20.0),
    ]
    assert table(rows)[2:] == [
        "| upgrade: worker, keeper, API | 5 | 4 | 1 | 0 | 0 | 2 x ConnectError | 0 0 0 | 10 |",
        "| rollback: worker, keeper, API | 3 | 2 | 0 | 1 | 0 | 0 | 0 0 1 | 20 |",
        "| all | 8 | 6 | 1 | 1 | 0 | 2 x ConnectError | 0 1 | 30 |",
    ]


def test_the_block_of_the_page_is_replaced_with_both_commits(tmp_path: Path) -> None:
    page = tmp_path / "upgrades.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_block(Release("v1", "abc", tmp_path), Release("HEAD", "def", tmp_path), 60.0, ["| table |"], page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "from v1 (commit abc) to HEAD (commit def)" in text
    assert "| table |" in text
    assert "old" not in text


def test_a_release_is_found_by_its_commit_where_a_clone_has_no_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    head = find_commit("HEAD")
    monkeypatch.setitem(COMMITS, "v0.0.1", "HEAD")
    assert find_commit("v0.0.1") == head
