"""Numbers that the documentation states: a test that imports a constant does not notice that it changes."""

from pathlib import Path

import pytest

from jobs.queue.run_times import MAX_RUN_TIMES, MIN_FOR_P90
from jobs.queue.workers import DRAIN_ANSWER_S, LOST_FOR_S
from jobs.store.keeper.preemption import MAX_PREEMPTIONS
from jobs.store.transitions import MAX_ATTEMPTS
from service.http.auth import KEY_CACHE_S
from service.http.prefer import MAX_WAIT_S
from service.schemas.video import LINK_LIFETIME_S
from worker.attempt.attempt import CHECKPOINT_FLUSH_S
from worker.attempt.engine_process import MAX_CRASHES
from worker.keeper.preemption import PREEMPTION_SWEEP_S

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("constant", "value", "page", "words"),
    [
        (MAX_PREEMPTIONS, 3, "guides/api.md", "at most three times to a video"),
        (MAX_ATTEMPTS, 3, "reference/glossary.md", "at most three"),
        (MAX_CRASHES, 3, "operations/running.md", "after three crashes"),
        (LOST_FOR_S, 3600, "operations/running.md", "A lost worker is listed for an hour"),
        (DRAIN_ANSWER_S, 15, "operations/running.md", "does not begin within 15 seconds"),
        (PREEMPTION_SWEEP_S, 0.25, "operations/running.md", "until the next sweep (0.25 s)"),
        (CHECKPOINT_FLUSH_S, 8, "operations/running.md", "the upload of the checkpoint (at most 8 s)"),
        (KEY_CACHE_S, 1, "operations/security.md", "refused within a second"),
        (LINK_LIFETIME_S, 3600, "guides/api.md", "needs no key and is valid for an hour"),
        (MAX_RUN_TIMES, 100, "guides/api.md", "the latest 100 videos of the model"),
        (MIN_FOR_P90, 9, "guides/api.md", "`p90` is null before the ninth"),
        (MAX_WAIT_S, 50, "operations/proxy.md", "the API answers within 50 s"),
    ],
)
def test_the_documentation_states_the_number_of_the_code(constant: float, value: float, page: str, words: str) -> None:
    assert constant == value
    assert words in " ".join((DOCS / page).read_text(encoding="utf-8").split())
