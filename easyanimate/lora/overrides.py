"""Replaces some weights of the transformer by those of another training (a "DreamBooth model"), in a `with` block."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from diffusers.hooks.group_offloading import _is_group_offload_enabled
from torch import Tensor, nn

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.lora.entries import is_adapter, unsupported_reason
from easyanimate.lora.file import has_finite_values
from easyanimate.lora.wrappers import unwrapped, unwrapped_path
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.transformer.position_tables import without_position_tables
from easyanimate.weights.weights_file import read_weights_file

# DistributedDataParallel, torch.compile, and the trainers of whole pipelines.
_PREFIXES = ("module.", "_orig_mod.", "model.diffusion_model.", "diffusion_model.", "model.", "transformer.")


@dataclass(frozen=True, eq=False)
class WeightOverride:
    """Some weights of a transformer by their published names, from the file `name`, on the CPU."""

    name: str
    tensors: Mapping[str, Tensor]


def read_override(path: str | Path) -> WeightOverride:
    """Reads the weights in `path`: safetensors, or a .bin that holds only tensors.

    The tensors may be in an outer "state_dict". Raises CheckpointError for a damaged file, a LoRA, or a pickle with
    other objects than tensors.
    """
    path = Path(path)
    tensors = read_weights_file(path)
    if not tensors:
        raise CheckpointError(f"{path} is empty; download it again")
    if reason := unsupported_reason(tensors):
        raise CheckpointError(f"{path} {reason}")
    if is_adapter(tensors):
        raise CheckpointError(f"{path} is a LoRA, not whole weights; apply it as a LoRA")
    return WeightOverride(path.name, tensors)


@contextmanager
def overridden(transformer: EasyAnimateTransformer3DModel, override: WeightOverride) -> Iterator[tuple[str, ...]]:
    """Inside, the weights in `override` replace those of the same name, in the transformer's dtype. Yields the names.

    Tensors are not copied if device and dtype agree. The transformer may be compiled or wrapped for parallel training.
    All names of the file may carry the prefix of such a wrapper or of a trainer. After the block each weight is
    bit-equal to before. LoRAs are applied inside the block, not around it.
    Raises CheckpointError if a name is unknown, a shape differs, or a value is not finite in the transformer's dtype;
    nothing is changed then. Raises InvalidInput under group offload, whose copies of the weights would return during a
    call.
    """
    transformer = unwrapped(transformer)
    if _is_group_offload_enabled(transformer):
        raise InvalidInput('weights cannot be overridden under group offload; use the memory profile "normal" or "low"')
    weights = {unwrapped_path(name): weight for name, weight in transformer.named_parameters()}
    tensors = without_position_tables(_without_prefixes(override.tensors), transformer.config)
    _check_fit(tensors, weights, override.name)
    own = {name: weights[name].data for name in tensors}
    new = {name: _converted(tensor, own[name], f"{override.name}: {name}") for name, tensor in tensors.items()}
    try:
        for name in own:
            weights[name].data = new.pop(name)
        yield tuple(tensors)
    finally:
        for name, weight in own.items():
            weights[name].data = weight.to(weights[name].device)  # the model may be on another device now


def _converted(tensor: Tensor, own: Tensor, where: str) -> Tensor:
    """`tensor` in the dtype and on the device of the weight that it replaces."""
    values = tensor.to(own.dtype)
    if not has_finite_values(values):
        kind = str(own.dtype).removeprefix("torch.")
        raise CheckpointError(f"{where} holds NaN, infinity or values too large for {kind}; use other weights")
    return values.to(own.device)


def _without_prefixes(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """`tensors` without the prefixes that all names share; no weight's own name has such a prefix."""
    while prefix := next(
        (candidate for candidate in _PREFIXES if all(name.startswith(candidate) for name in tensors)), None
    ):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _check_fit(tensors: Mapping[str, Tensor], weights: Mapping[str, nn.Parameter], name: str) -> None:
    unknown = [key for key in tensors if key not in weights]
    if unknown:
        raise CheckpointError(
            f"{name}: {len(unknown)} of {len(tensors)} weights are not in the transformer, such as {unknown[0]}; "
            + _advice(unknown, weights)
        )
    for key, tensor in tensors.items():
        if tensor.shape != weights[key].shape:
            raise CheckpointError(
                f"{name}: {key} is {list(tensor.shape)}, but this transformer has {list(weights[key].shape)}; "
                "use weights made for this model, or leave this one out"
            )
        if not tensor.is_floating_point():
            raise CheckpointError(
                f"{name}: {key} is stored as {str(tensor.dtype).removeprefix('torch.')}; "
                "export the weights as float32, float16 or bfloat16"
            )


def _advice(unknown: Sequence[str], weights: Mapping[str, nn.Parameter]) -> str:
    for key in unknown:
        dots = [i + 1 for i, letter in enumerate(key) if letter == "."]
        if prefix := next((key[:i] for i in dots if key[i:] in weights), None):
            return f"without the prefix {prefix!r} {key} fits: keep only those names, and remove it from them"
    return "use weights in the names of EasyAnimateV3"
