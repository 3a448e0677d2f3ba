"""Trainings from the command line: results, continued trainings, and refusals of one sentence."""

import json
from subprocess import CompletedProcess

import pytest

from easyanimate.training.run import checkpoints
from tests.integration.training.commands import VAE, arguments, run_forked, run_here, run_process
from tests.training_losses import read_losses

pytestmark = pytest.mark.xdist_group("forked trainings")  # one server imports torch for all


def assert_refused(done: CompletedProcess[str], message: str) -> None:
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hundred_steps_on_images_lower_the_loss_by_a_third(tmp_path):
    clips = VAE.index("[[data.batches]]\nframes = 8"), VAE.rindex("[[data.batches]]")
    images = (VAE[: clips[0]] + VAE[clips[1] :]).replace("batch_size = 2", "batch_size = 8")
    assert run_here(arguments(tmp_path, text=images, steps=100)).returncode == 0
    losses = list(read_losses(tmp_path / "run" / "losses.csv").values())
    assert sum(losses[-10:]) < 0.67 * sum(losses[:10])  # 0.53 when this was written


def test_a_finished_training_prints_its_result_and_prints_it_again(five_done):
    result = five_done / "run" / "result"
    assert (result / "diffusion_pytorch_model.safetensors").is_file()
    assert list((five_done / "run" / "tensorboard").iterdir())
    done = run_here(arguments(five_done, steps=5))
    assert (done.returncode, done.stdout) == (0, f"{result}\n")
    done = run_here(arguments(five_done, "--json", steps=5))
    values = {"kind": "vae", "folder": str(result), "losses": str(five_done / "run" / "losses.csv")}
    assert json.loads(done.stdout) == values


def test_a_training_with_other_settings_is_not_resumed_and_they_are_reported(five_done):
    done = run_here(arguments(five_done, "--set", "data.masked=0.5", "--set", "run.seed=3", steps=10))
    assert_refused(done, "other settings: data.masked was 0.1 and is 0.5, run.seed was 0 and is 3; set them back")


def test_a_training_is_resumed_with_a_lower_learning_rate_and_more_steps(five_done):
    before = read_losses(five_done / "run" / "losses.csv")
    lower = ["--set", "optimiser.learning_rate=1e-5", "--set", "optimiser.muon_learning_rate=1e-5"]
    assert run_here(arguments(five_done, *lower, steps=8)).returncode == 0
    losses = read_losses(five_done / "run" / "losses.csv")
    assert list(losses) == list(range(8))
    assert {step: losses[step] for step in range(5)} == before


def test_a_loss_that_is_not_finite_ends_the_training_and_reports_the_last_checkpoint(five_done):
    checkpoint = checkpoints.newest_checkpoint(five_done / "run" / "checkpoints")
    wild = ["--set", "optimiser.muon_learning_rate=1e30", "--set", "optimiser.learning_rate=1e30"]
    done = run_here(arguments(five_done, *wild, steps=10))
    assert_refused(done, f"{checkpoint} is the last good state; lower the learning rate")
    assert checkpoints.newest_checkpoint(five_done / "run" / "checkpoints") == checkpoint
    assert run_here(arguments(five_done, steps=10)).returncode == 0


def test_a_full_disk_while_events_are_written_ends_the_training(tmp_path):
    training = arguments(tmp_path, "--set", "run.checkpoint_every=100", steps=60)
    done = run_forked(training, tmp_path, max_file_size=3000)
    assert_refused(done, "the log could not be written to")


def test_a_full_disk_ends_the_training_and_keeps_earlier_checkpoints(five_done):
    checkpoint = checkpoints.newest_checkpoint(five_done / "run" / "checkpoints")
    done = run_forked(arguments(five_done, steps=10), five_done, max_file_size=30_000)
    assert_refused(done, "could not be written to")
    assert checkpoints.newest_checkpoint(five_done / "run" / "checkpoints") == checkpoint
    assert run_here(arguments(five_done, steps=10)).returncode == 0


def test_a_checkpoint_without_one_of_its_files_is_reported(five_done):
    (checkpoints.newest_checkpoint(five_done / "run" / "checkpoints") / "optimiser-1.safetensors").unlink()
    done = run_here(arguments(five_done, steps=10))
    assert_refused(done, "is damaged: optimiser-1.safetensors is missing; delete that folder")


def test_fewer_steps_than_the_checkpoint_has_are_refused(five_done):
    assert_refused(run_here(arguments(five_done, steps=3)), "has more steps than run.steps = 3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("run.steps=0", "run.steps: Input should be greater than 0"),
        ("run.speed=3", "run.speed: Extra inputs are not permitted"),
        ("start=/no/such/folder", "vae and start exclude each other"),
        ("vae.norm_num_groups=3", "norm_num_groups 3 must divide every width"),
        ('data.batches=[{"frames": 9, "batch_size": 1}]', "data.batches.0: frames must be 1 or a multiple of 8, got 9"),
        ("data.batches.0.frames=9", "data.batches.0: frames must be 1 or a multiple of 8, got 9"),
        ("run.steps.most=9", "run.steps.most cannot be set: run.steps is 12, no table or list"),
        (
            'data.world.shapes=["star"]',
            "data.world: shapes must be some of circle, square, triangle, cross, got ['star']",
        ),
    ],
)
def test_invalid_settings_are_refused_in_a_sentence(tmp_path, change, message):
    assert_refused(run_here(arguments(tmp_path, "--set", change)), message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["vae={}", "start=/no/such/folder"], "/no/such/folder"),
        (["data.batches.0.crop=null", 'data.files={"metadata": "/no/list.json"}'], "/no/list.json cannot be read"),
    ],
)
def test_missing_files_are_reported(tmp_path, changes, message):
    more = (part for change in changes for part in ("--set", change))
    assert_refused(run_here(arguments(tmp_path, *more)), message)


@pytest.mark.parametrize("number", ["0", "-3"])
def test_a_number_of_processes_below_1_is_refused(tmp_path, number):
    assert_refused(run_here(arguments(tmp_path, f"--processes={number}")), f"must be 1 or more, got {number}")


def test_a_file_without_settings_is_refused(tmp_path):
    assert_refused(run_here(arguments(tmp_path, text="steps = [")), "train.toml cannot be read")


@pytest.mark.slow
def test_a_process_that_refuses_ends_with_code_2_and_one_line(tmp_path):
    done = run_process(arguments(tmp_path, "--set", "lora={}"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("train vae: ")
    assert "lora: Extra inputs are not permitted" in done.stderr
    assert done.stderr.count("\n") == 1
