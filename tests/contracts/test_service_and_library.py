"""The service refuses the same values as the model library. It cannot import the library, so the tests compare them."""

from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from easyanimate.errors import InvalidInput
from easyanimate.lora import DEFAULT_SCALE
from easyanimate.pipeline.inputs.images import MASK_THRESHOLD
from easyanimate.pipeline.schedulers.schedulers import SCHEDULERS, check_steps, num_timesteps
from easyanimate.windows import DEFAULT_OVERLAP, OVERLAPS, plan_windows
from jobs.errors import InvalidRequest
from jobs.model.model_card import MAX_STEPS, MIN_STEPS, ModelCard, count_model_calls
from jobs.model.request import VideoRequest
from service.schemas.requests.field_types import MAX_OVERLAP
from service.schemas.requests.parts import DEFAULT_LORA_SCALE
from service.submission import strength


def refuses(call: Callable[[], object], error: type[Exception]) -> bool:
    try:
        call()
    except error:
        return True
    return False


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@given(steps=st.integers(-1, 501), share=st.floats(-0.5, 1.5))
def test_service_and_library_refuse_the_same_steps_and_strengths(
    card: ModelCard, scheduler: str, steps: int, share: float
) -> None:
    full_card = card.model_copy(update={"schedulers": SCHEDULERS, "max_inference_steps": 500})

    def request() -> None:
        full_card.check_sampling(scheduler, steps)
        full_card.check_strength(share, scheduler, steps)

    assert refuses(request, InvalidRequest) == refuses(lambda: check_steps(scheduler, steps, share), InvalidInput)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@given(steps=st.integers(1, 60), share=st.floats(0.05, 1.0))
def test_the_service_counts_the_calls_of_the_transformer_as_the_library_does(
    scheduler: str, steps: int, share: float
) -> None:
    assume(int(steps * share) >= MIN_STEPS.get(scheduler, 1) and steps <= MAX_STEPS.get(scheduler, 60))
    assert count_model_calls(scheduler, steps, share) == num_timesteps(scheduler, steps, share)


def test_service_and_library_have_the_same_constants() -> None:
    assert strength.MASK_THRESHOLD == MASK_THRESHOLD
    assert DEFAULT_LORA_SCALE == DEFAULT_SCALE
    assert (1, MAX_OVERLAP, VideoRequest.model_fields["overlap"].default) == (
        OVERLAPS[0],
        OVERLAPS[-1],
        DEFAULT_OVERLAP,
    )


@given(num_frames=st.integers(1, 180).map(lambda n: 8 * n), overlap=st.sampled_from(OVERLAPS), ends=st.booleans())
def test_each_accepted_length_has_a_plan(card: ModelCard, num_frames: int, overlap: int, ends: bool) -> None:
    card.check_num_frames(num_frames)
    for continues in (0, overlap):
        plan = plan_windows(num_frames, window=card.window, overlap=overlap, continues=continues, end_image=ends)
        assert plan[-1].end == num_frames + continues
