"""All nine schedulers against recorded timesteps, noise levels and trajectories on a closed form."""

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from easyanimate.pipeline import SCHEDULERS
from easyanimate.pipeline.schedulers.schedulers import make_scheduler, num_timesteps
from tests.parity.scheduler_runs import OWN, OWN_FILE, REFERENCE, STEPS, STRENGTHS, levels, run, start

NAMES = {"euler": "Euler", "euler_ancestral": "Euler A", "dpmpp_2m": "DPM++", "pndm": "PNDM", "ddim_clipped": "DDIM"}
RECORDED = {**REFERENCE, **load_file(OWN_FILE)}
# With strength 0.6, the reference skips the warm-up steps of PNDM and this library runs them, so the results differ.
CASES = [(name, strength) for name in SCHEDULERS for strength in STRENGTHS if (name, strength) != ("pndm", 0.6)]


def recorded(name: str, of: object) -> dict[str, Tensor]:
    """The recorded values of a scheduler for `of`: a number of steps, or ten steps and a strength."""
    prefix = f"{NAMES.get(name, name)}.{of}."
    return {key.removeprefix(prefix): value for key, value in RECORDED.items() if key.startswith(prefix)}


def test_each_scheduler_has_recorded_values() -> None:
    assert sorted([*NAMES, *OWN]) == sorted(SCHEDULERS)
    assert all(recorded(name, f"10.{strength}").keys() >= {"x_init", "trajectory"} for name, strength in CASES)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_timesteps_and_noise_levels_are_the_recorded_ones(name: str, steps: int) -> None:
    actual, expected = levels(name, steps), recorded(name, steps)
    torch.testing.assert_close(actual.pop("timesteps"), expected["timesteps"], rtol=1e-6, atol=1e-3)
    for key, value in actual.items():
        torch.testing.assert_close(value, expected[key], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_number_of_model_calls_is_predicted(name: str, steps: int) -> None:
    assert num_timesteps(name, steps) == len(recorded(name, steps)["timesteps"])


@pytest.mark.parametrize(("name", "strength"), CASES)
def test_the_steps_follow_the_recorded_trajectory(name: str, strength: float) -> None:
    expected, actual = recorded(name, f"10.{strength}"), run(name, strength)
    torch.testing.assert_close(actual["timesteps_used"], expected["timesteps_used"], rtol=1e-6, atol=1e-3)
    torch.testing.assert_close(actual["x_init"], expected["x_init"])
    tolerance = 2e-4 * expected["trajectory"].abs().max().item()
    torch.testing.assert_close(actual["trajectory"], expected["trajectory"], rtol=0, atol=tolerance)


@pytest.mark.parametrize(("value", "is_clipped"), [(0.9, False), (1.1, True), (-1.1, True)])
def test_ddim_keeps_latents_beyond_1_and_ddim_clipped_does_not(value: float, is_clipped: bool) -> None:
    clean, noise = torch.full((1, 4, 2, 3, 3), value), torch.randn(1, 4, 2, 3, 3)
    after = {}
    for name in ("ddim", "ddim_clipped"):
        scheduler = make_scheduler(name)
        timesteps, _ = start(scheduler, 10, 1.0)
        x = scheduler.add_noise(clean, noise, timesteps[-1:])
        after[name] = scheduler.step(noise, timesteps[-1], x, return_dict=False)[0]  # the last step has no noise
    torch.testing.assert_close(after["ddim"], clean, atol=1e-5, rtol=0)
    expected = clean.clamp(-1, 1) if is_clipped else clean
    torch.testing.assert_close(after["ddim_clipped"], expected, atol=1e-5, rtol=0)
