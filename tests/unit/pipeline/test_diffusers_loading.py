"""Loading, saving and sharing the pipeline as diffusers users do: equal results, or a refusal."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoModel, DiffusionPipeline, EulerDiscreteScheduler
from PIL import Image
from safetensors.torch import load_file, save_file

from easyanimate.errors import CheckpointError, EasyAnimateError, InvalidInput
from easyanimate.lora import LoraFile, LowRank, applied
from easyanimate.memory import apply_memory_profile
from easyanimate.pipeline import EasyAnimatePipeline

MODELS = ("text_encoder", "image_encoder", "vae", "transformer")
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 791656\n"


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the model folder that may be changed."""
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


@pytest.fixture(scope="module")
def saved(pipe: EasyAnimatePipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `save_pretrained` writes."""
    folder = tmp_path_factory.mktemp("saved")
    pipe.save_pretrained(folder)
    return folder


def same(one: Any, other: Any) -> bool:
    ones, others = one.state_dict(), other.state_dict()
    return ones.keys() == others.keys() and all(torch.equal(ones[key], others[key]) for key in ones)


def all_same(one: Any, other: Any) -> bool:
    return all(same(getattr(one, name), getattr(other, name)) for name in MODELS)


def dtypes(pipe: Any) -> list[torch.dtype]:
    return [getattr(pipe, name).dtype for name in MODELS]


@pytest.mark.parametrize("name", ["torch_dtype", "dtype"])
@pytest.mark.parametrize("value", [torch.bfloat16, "bfloat16", "torch.bfloat16"])
def test_the_number_type_has_two_names_and_may_be_a_word(checkpoint: Path, name: str, value: Any) -> None:
    assert dtypes(EasyAnimatePipeline.from_pretrained(checkpoint, **{name: value})) == [torch.bfloat16] * 4


def test_auto_is_the_type_of_the_transformers_file(folder: Path) -> None:
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    save_file({key: tensor.bfloat16() for key, tensor in load_file(path).items()}, path)
    assert dtypes(EasyAnimatePipeline.from_pretrained(folder, torch_dtype="auto")) == [torch.bfloat16] * 4


def test_each_model_may_have_its_own_number_type(checkpoint: Path, start_image: Image.Image) -> None:
    pipe = EasyAnimatePipeline.from_pretrained(checkpoint, dtype={"vae": torch.float32, "default": torch.bfloat16})
    assert dtypes(pipe) == [torch.bfloat16, torch.bfloat16, torch.float32, torch.bfloat16]
    few: dict[str, Any] = {"height": 32, "width": 32, "num_frames": 8, "num_inference_steps": 1, "generator": 0}
    assert len(pipe("a red circle", image=start_image, **few).frames[0]) == 8


def test_arguments_of_downloads_change_nothing(checkpoint: Path, pipe: EasyAnimatePipeline) -> None:
    loaded = EasyAnimatePipeline.from_pretrained(
        checkpoint, cache_dir="cache", local_files_only=True, low_cpu_mem_usage=True, use_safetensors=True, token=None
    )
    assert all_same(loaded, pipe)


def test_one_device_can_be_named(checkpoint: Path) -> None:
    assert EasyAnimatePipeline.from_pretrained(checkpoint, device_map="cpu").device == torch.device("cpu")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"device_map": "balanced"}, "apply_memory_profile"),
        ({"device_map": "meta"}, "is no device of this machine"),
        ({"device_map": {"vae": 0}}, "is no device of this machine"),
        ({"quantization_config": {"load_in_8bit": True}}, "apply_memory_profile"),
        ({"max_memory": {0: "8GB"}}, "apply_memory_profile"),
        ({"torch_dtype": torch.int8}, "must be .* float32"),
        ({"torch_dtype": "fp16"}, "must be .* float16"),
        ({"torch_dtype": torch.float16, "dtype": torch.float32}, "two names of one argument"),
        ({"dtype": {"unet": torch.float16}}, "name unet"),
        ({"revision": "fp16"}, "a local folder has one revision"),
        ({"variant": "../fp16"}, "part of a file name"),
        ({"custom_pipeline": "clip_guided"}, "no code is loaded"),
        ({"output_loading_info": True}, "loading is strict"),
        ({"safety_checker": None}, "no argument safety_checker"),
        ({"vae": None}, "vae is None"),
        ({"scheduler": EulerDiscreteScheduler()}, "each call names its scheduler"),
    ],
)
def test_what_cannot_be_honoured_is_refused(checkpoint: Path, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        EasyAnimatePipeline.from_pretrained(checkpoint, **arguments)


def test_another_file_format_than_requested_is_refused(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="use_safetensors is False"):
        EasyAnimatePipeline.from_pretrained(checkpoint, use_safetensors=False)


def test_a_name_of_the_hub_leads_to_the_command_that_downloads() -> None:
    with pytest.raises(CheckpointError, match=r"local folders only; 'easyanimate models pull 768'"):
        EasyAnimatePipeline.from_pretrained("alibaba-pai/EasyAnimateV3-XL-2-InP-768x768")


def test_an_archive_leads_to_the_command_that_unpacks(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").touch()
    with pytest.raises(CheckpointError, match=r"is a file.*models import"):
        EasyAnimatePipeline.from_pretrained(tmp_path / "model.tar.gz")


def test_components_from_arguments_replace_their_folders(folder: Path, pipe: EasyAnimatePipeline) -> None:
    for name in ("transformer", "vae"):
        shutil.rmtree(folder / name)
    loaded = EasyAnimatePipeline.from_pretrained(folder, transformer=pipe.transformer, vae=pipe.vae)
    assert loaded.transformer is pipe.transformer
    assert loaded.vae is pipe.vae


def test_diffusers_own_loader_finds_this_pipeline(saved: Path, pipe: EasyAnimatePipeline) -> None:
    loaded = DiffusionPipeline.from_pretrained(saved)
    assert type(loaded) is EasyAnimatePipeline
    assert all_same(loaded, pipe)


@pytest.mark.parametrize("name", ["vae", "transformer"])
def test_diffusers_auto_model_finds_the_models(saved: Path, pipe: EasyAnimatePipeline, name: str) -> None:
    loaded = AutoModel.from_pretrained(str(saved), subfolder=name)
    assert type(loaded) is type(getattr(pipe, name))
    assert same(loaded, getattr(pipe, name))


@pytest.mark.parametrize("shards", [{}, {"max_shard_size": "100KB"}])
@pytest.mark.parametrize("arguments", [{}, {"variant": "fp16"}])
def test_a_saved_variant_is_read(
    pipe: EasyAnimatePipeline, tmp_path: Path, shards: dict[str, Any], arguments: dict[str, Any]
) -> None:
    pipe.save_pretrained(tmp_path, variant="fp16", **shards)
    assert all_same(EasyAnimatePipeline.from_pretrained(tmp_path, **arguments), pipe)


def test_a_variant_that_is_not_there_is_refused(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights of the variant fp16"):
        EasyAnimatePipeline.from_pretrained(checkpoint, variant="fp16")


def test_nothing_is_saved_while_a_lora_is_in_effect(pipe: EasyAnimatePipeline, tmp_path: Path) -> None:
    path = "transformer_blocks_0_attn1_to_q"
    lora = LoraFile("red", {path: LowRank(torch.ones(1, 32), torch.ones(32, 1))}, {})
    with applied(pipe, [(lora, 1.0)]):
        for thing in (pipe, pipe.transformer):
            with pytest.raises(InvalidInput, match="has a LoRA in effect"):
                thing.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_weights_in_8_bits_are_not_saved(checkpoint: Path, tmp_path: Path) -> None:
    pipe = EasyAnimatePipeline.from_pretrained(checkpoint)
    apply_memory_profile(pipe, "lowest", "cpu")
    with pytest.raises(InvalidInput, match="stored in 8 bits"):
        pipe.save_pretrained(tmp_path / "saved")


def test_a_second_pipeline_shares_the_models(pipe: EasyAnimatePipeline) -> None:
    other = EasyAnimatePipeline.from_pipe(pipe)
    assert all(getattr(other, name) is getattr(pipe, name) for name in MODELS)


def test_a_second_pipeline_converts_no_shared_model(checkpoint: Path) -> None:
    pipe = EasyAnimatePipeline.from_pretrained(checkpoint, torch_dtype=torch.bfloat16)
    EasyAnimatePipeline.from_pipe(pipe)
    assert dtypes(pipe) == [torch.bfloat16] * 4
    with pytest.raises(InvalidInput, match="not torch_dtype"):
        EasyAnimatePipeline.from_pipe(pipe, torch_dtype=torch.float32)


@pytest.mark.parametrize("name", ["load_lora_weights", "set_adapters", "unload_lora_weights", "fuse_lora"])
def test_methods_for_loras_lead_to_the_one_of_this_library(pipe: EasyAnimatePipeline, name: str) -> None:
    assert not hasattr(pipe, name)
    with pytest.raises(InvalidInput, match=rf"has no {name}: .*easyanimate\.lora\.applied"):
        getattr(pipe, name)


@pytest.mark.parametrize("name", ["load_textual_inversion", "load_ip_adapter", "set_attn_processor"])
def test_other_methods_are_refused_with_a_hint(pipe: EasyAnimatePipeline, name: str) -> None:
    with pytest.raises(EasyAnimateError, match=f"has no {name}: "):
        getattr(pipe, name)


def test_a_misspelled_attribute_is_an_attribute_error(pipe: EasyAnimatePipeline) -> None:
    with pytest.raises(AttributeError, match="no attribute 'transformr'"):
        getattr(pipe, "transformr")  # noqa: B009


def test_a_single_file_is_refused() -> None:
    with pytest.raises(InvalidInput, match="a model is a folder"):
        EasyAnimatePipeline.from_single_file("model.safetensors")


def test_tiling_is_turned_off_and_on(pipe: EasyAnimatePipeline) -> None:
    pipe.disable_vae_tiling()
    assert not pipe.vae.use_tiling
    pipe.enable_vae_tiling()
    assert pipe.vae.use_tiling


def test_slicing_is_always_on(pipe: EasyAnimatePipeline) -> None:
    pipe.enable_vae_slicing()
    with pytest.raises(InvalidInput, match="cannot be disabled"):
        pipe.disable_vae_slicing()


def test_the_vae_returns_tuples_on_request(pipe: EasyAnimatePipeline) -> None:
    (posterior,) = pipe.vae.encode(torch.zeros(1, 3, 8, 32, 32), return_dict=False)
    (pixels,) = pipe.vae.decode(posterior.mode(), return_dict=False)
    assert torch.equal(pixels, pipe.vae.decode(posterior.mode()).sample)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (LFS_POINTER.encode(), "a git-LFS pointer"),
        (b"", "damaged or cut short: it is empty"),
        (b"\x00damaged", "damaged or cut short"),
    ],
)
def test_a_vocabulary_that_is_none_is_named(folder: Path, content: bytes, sentence: str) -> None:
    (folder / "tokenizer" / "spiece.model").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"spiece\.model is {sentence}") as caught:
        EasyAnimatePipeline.from_pretrained(folder)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["tokenizer/tokenizer_config.json", "image_encoder/preprocessor_config.json"])
@pytest.mark.parametrize(("content", "sentence"), [(LFS_POINTER, "git-LFS"), ("", "empty"), ("{", "as JSON")])
def test_a_damaged_settings_file_is_named(folder: Path, name: str, content: str, sentence: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(CheckpointError, match=rf"{Path(name).name} .*{sentence}"):
        EasyAnimatePipeline.from_pretrained(folder)


@pytest.mark.parametrize("name", ["transformer", "vae", "text_encoder", "image_encoder"])
def test_a_byte_order_mark_changes_nothing(folder: Path, pipe: EasyAnimatePipeline, name: str) -> None:
    path = folder / name / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert all_same(EasyAnimatePipeline.from_pretrained(folder), pipe)


@pytest.mark.parametrize("name", ["tokenizer/tokenizer_config.json", "image_encoder/preprocessor_config.json"])
def test_a_byte_order_mark_that_transformers_cannot_read_is_named(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    with pytest.raises(CheckpointError, match=rf"{path.name} begins with a byte order mark"):
        EasyAnimatePipeline.from_pretrained(folder)


def edit_settings(folder: Path, changes: dict[str, Any]) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes))


def test_unknown_settings_are_named_once_for_each_file(
    folder: Path, pipe: EasyAnimatePipeline, caplog: pytest.LogCaptureFixture
) -> None:
    motion = {**pipe.transformer.config["motion_module_kwargs_odd"], "speed": 2}
    edit_settings(folder / "transformer", {"later\x1b[31m": 1, "motion_module_kwargs_odd": motion})
    edit_settings(folder / "vae", {"slice_mag_vae": False, "cache_mag_vae": False, "upcast_vae": True, "newer": "x"})
    assert all_same(EasyAnimatePipeline.from_pretrained(folder), pipe)
    first, second = (record.getMessage() for record in caplog.records)
    assert first.endswith("not used: later, motion_module_kwargs_odd.speed")
    assert second.endswith("not used: newer, upcast_vae")


def test_all_published_settings_are_accepted(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    EasyAnimatePipeline.from_pretrained(checkpoint)
    assert not caplog.records
