"""The studio has a text in each language for each code that the service can send."""

import ast
import re
from pathlib import Path

import pytest

from easyanimate.models.published import PUBLISHED
from easyanimate.tiny.card import CARD
from jobs.model.failure import CODES
from jobs.model.states import NO_WORKER, PAUSED, IdleReason, Phase, State
from jobs.queue.workers import WorkerState
from jobs.refusal_reasons import REFUSAL_REASONS
from jobs.warning_texts import WARNING_TEXTS
from service.http.error_codes import ERROR_CODES
from service.http.fields import REASONS, SENTENCES

ROOT = Path(__file__).parents[2]
TEXTS = ROOT / "service" / "studio" / "text"
TEXT = re.compile(r'(\w+): "((?:[^"\\]|\\.)*)"')
VALUE = re.compile(r"\{(\w+)\}")
REFUSING = (
    "jobs/model/model_card.py",
    *(f"service/schemas/requests/{name}.py" for name in ("create", "generation", "shots")),
    *(f"service/submission/{name}.py" for name in
      ("build", "dimensions", "drafts", "films", "prompts", "rules", "strength")),
)  # fmt: skip
SENT_WITH_A_SENTENCE = {"problem": ERROR_CODES, "failure": CODES}  # in English the sentence of the service is shown


def texts(language: str) -> dict[str, str]:
    files = (TEXTS / f"{language}.js", TEXTS / "service" / f"{language}.js")
    pairs = [pair for path in files for pair in TEXT.findall(path.read_text("utf-8"))]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


EN, ZH = texts("en"), texts("zh")


def test_both_languages_have_the_same_texts() -> None:
    sentences = {f"{kind}_{code}" for kind, codes in SENT_WITH_A_SENTENCE.items() for code in codes}
    assert set(ZH) - sentences == set(EN)
    assert sentences <= set(ZH)


@pytest.mark.parametrize("name", [name for name in EN if VALUE.search(EN[name])])
def test_a_translation_has_no_other_values(name: str) -> None:
    assert set(VALUE.findall(ZH[name])) <= set(VALUE.findall(EN[name]))


@pytest.mark.parametrize("language", [EN, ZH], ids=["en", "zh"])
def test_a_warning_has_a_text_with_its_values(language: dict[str, str]) -> None:
    for text in WARNING_TEXTS:
        assert set(VALUE.findall(language[f"warning_{text.code}"])) <= set(text.names), text.code


@pytest.mark.parametrize("language", [EN, ZH], ids=["en", "zh"])
def test_a_reason_has_a_text_with_its_values(language: dict[str, str]) -> None:
    for reason, names in REFUSAL_REASONS.items():
        assert set(VALUE.findall(language[f"reason_{reason}"])) <= {*names, "param"}, reason


def test_no_text_is_about_a_code_that_is_never_sent() -> None:
    codes = {f"reason_{reason}" for reason in REFUSAL_REASONS} | {f"warning_{text.code}" for text in WARNING_TEXTS}
    codes |= {f"{kind}_{code}" for kind, sent in SENT_WITH_A_SENTENCE.items() for code in sent}
    assert {name for name in ZH if name.startswith(("reason_", "warning_", "problem_", "failure_"))} == codes


@pytest.mark.parametrize("name", [
    *(f"state_{state}" for state in State if state is not State.RUNNING),
    *(f"phase_{phase}" for phase in Phase if phase is not Phase.LOADING),
    *(f"idle_{reason}" for reason in (*IdleReason, NO_WORKER, PAUSED)),
    *(f"worker_{state}" for state in WorkerState),
])  # fmt: skip
def test_a_state_has_a_text(name: str) -> None:
    assert name in EN
    assert name in ZH


@pytest.mark.parametrize("model", [CARD["name"], *PUBLISHED])
def test_a_model_of_this_project_has_a_text(model: str) -> None:
    name = "model_" + re.sub(r"\W", "_", model)
    assert name in EN
    assert name in ZH


def test_each_error_of_a_field_has_a_reason() -> None:
    assert set(SENTENCES) <= set(REASONS)
    assert {reason for reason, _ in REASONS.values()} <= set(REFUSAL_REASONS)


@pytest.mark.parametrize("path", REFUSING)
def test_each_refusal_has_a_reason(path: str) -> None:
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "InvalidRequest":
            assert len(node.args) >= 4 or any(word.arg == "reason" for word in node.keywords), f"line {node.lineno}"
