"""LoRAs that are in effect inside a `with` block: PEFT layers around the base layers, removed at the end.

The base weights are never written, so they stay bit-equal after any number of requests. A low-rank product at run time
needs no second copy of the model. The end of the block restores the original layer objects.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Self

import torch
from accelerate import init_empty_weights
from diffusers.hooks.group_offloading import _maybe_remove_and_reapply_group_offloading
from peft import LoraConfig
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.lora.file import LoraFile, LowRank, has_finite_values
from easyanimate.lora.names import WRITTEN_PREFIX, linear_paths
from easyanimate.lora.report import DEFAULT_SCALE, LoraReport
from easyanimate.lora.wrappers import unwrapped

Models = Mapping[str, Any]
_COMPUTING = (torch.float32, torch.float16, torch.bfloat16)  # other dtypes are for storage only
_CONFIG = LoraConfig(init_lora_weights=False, lora_dropout=0.0, inference_mode=True)


@dataclass(frozen=True, eq=False)
class _LayerUpdate:
    """An update from `file` of the layer at `path` of `model`; `adapter` is its name in the request."""

    file: str
    model: str
    path: str
    adapter: str
    low_rank: LowRank
    scale: float


@dataclass(frozen=True, eq=False)
class _PatchedModel:
    """A model with replaced layers: its compute dtype, and the original layers with their places."""

    model: nn.Module
    dtype: torch.dtype
    replaced: list[tuple[nn.Module, str, nn.Module]] = field(default_factory=list)

    @classmethod
    def of(cls, model: Any) -> Self:
        """A model without replaced layers."""
        return cls(model, model.dtype)

    def insert(self, update: _LayerUpdate) -> None:
        """Wraps the layer of `update`, or adds the update to an existing wrapper."""
        parent_path, _, child = update.path.rpartition(".")
        parent, layer = self.model.get_submodule(parent_path), self.model.get_submodule(update.path)
        rank = update.low_rank.rank
        with init_empty_weights():  # the values follow; random ones would cost time and advance the generator
            if isinstance(layer, LoraLinear):
                layer.update_layer(update.adapter, rank, lora_alpha=rank, config=_CONFIG)
            else:
                base, layer = layer, LoraLinear(layer, update.adapter, _CONFIG, r=rank, lora_alpha=rank)
                self.replaced.append((parent, child, base))
                setattr(parent, child, layer.train(base.training))
        layer.set_adapter([*layer.lora_A], inference_mode=True)
        self._fill(layer, update)

    def _fill(self, layer: Any, update: _LayerUpdate) -> None:
        """Copies the update to the device of its layer, in the dtype in which the layer computes.

        Raises CheckpointError for values that this dtype cannot hold, such as 1e5 in float16.
        """
        weight = layer.get_base_layer().weight
        dtype = weight.dtype if weight.dtype in _COMPUTING else self.dtype
        for part, numbers in ((layer.lora_A, update.low_rank.down), (layer.lora_B, update.low_rank.up)):
            values = numbers.to(weight.device, dtype)
            if not has_finite_values(values):
                raise CheckpointError(
                    f"{update.file}: the update of {update.path} holds NaN, infinity or values too large for {dtype}"
                )
            part[update.adapter].weight = nn.Parameter(values, requires_grad=False)
        layer.scaling[update.adapter] = update.scale * update.low_rank.strength

    def restore(self) -> None:
        """Restores the original layers."""
        for parent, child, base in self.replaced:
            setattr(parent, child, base)
        self.regroup()

    def regroup(self) -> None:
        """Rebuilds the lists of group offload with diffusers; without group offload it changes nothing."""
        _maybe_remove_and_reapply_group_offloading(self.model)


@contextmanager
def applied(models: Any, loras: Sequence[tuple[LoraFile, float]]) -> Iterator[tuple[LoraReport, ...]]:
    """Inside, each weight W acts as W + the sum of scale * alpha / r * up @ down over `loras`.

    `models` is a pipeline, or its "transformer" and optionally "text_encoder" by name. Yields a report for each file.
    Layers that a file does not name (motion modules, for a LoRA of PixArt) are unchanged. The models stay on their
    device: component offload, group offload and stored dtypes work as before. A model may be compiled or wrapped for
    parallel training. A scale of 0 leaves the layers as they are.
    Raises CheckpointError if nothing in a file fits or has an effect. Raises InvalidInput for a scale that is no finite
    number, or inside another `applied` of the same model.
    """
    parts = _unwrapped_parts(models)
    plans = [_plan(parts, file, scale, f"lora{i}") for i, (file, scale) in enumerate(loras)]
    patched = {
        name: _PatchedModel.of(parts[name]) for name in parts if any(u.model == name for us, _ in plans for u in us)
    }
    try:
        for update in (update for updates, _ in plans for update in updates if update.scale):
            patched[update.model].insert(update)
        for model in patched.values():
            model.regroup()
        yield tuple(report for _, report in plans)
    finally:
        for model in patched.values():
            model.restore()


def _unwrapped_parts(models: Any) -> dict[str, Any]:
    components: Models = models if isinstance(models, Mapping) else models.components
    return {name: unwrapped(components[name]) for name in WRITTEN_PREFIX if components.get(name) is not None}


def _plan(parts: Models, file: LoraFile, scale: float, adapter: str) -> tuple[list[_LayerUpdate], LoraReport]:
    """The layers that `file` changes. Nothing is changed yet, so that a refusal has no effect."""
    if isinstance(scale, bool) or not isinstance(scale, Real) or not math.isfinite(scale):
        raise InvalidInput(f"the scale of {file.name} must be a finite number such as {DEFAULT_SCALE}, got {scale!r}")
    updates: list[_LayerUpdate] = []
    unused: list[str] = []
    without_effect: list[str] = []
    for model, entries in (("transformer", file.transformer), ("text_encoder", file.text_encoder)):
        paths = _paths(parts, model) if entries else {}
        for name, low_rank in entries.items():
            written = f"{WRITTEN_PREFIX[model]}{name}"
            if reason := _mismatch(parts.get(model), paths.get(name), low_rank):
                unused.append(f"{written} ({reason})")
            elif reason := _no_effect_reason(low_rank):
                without_effect.append(f"{written} ({reason})")
            else:
                updates.append(_LayerUpdate(file.name, model, paths[name], adapter, low_rank, float(scale)))
    if not updates:
        raise CheckpointError(_refusal(file.name, unused, without_effect))
    return updates, LoraReport(file.name, scale, len(updates), (*unused, *without_effect))


def _refusal(name: str, unused: Sequence[str], without_effect: Sequence[str]) -> str:
    if without_effect:
        return (
            f"{name} changes nothing: {without_effect[0]}, and no other layer has an effect; train or export it again"
        )
    return (
        f"{name} fits no layer of this model: {unused[0] if unused else 'it is empty'}; "
        "use a LoRA trained for EasyAnimateV3 or PixArt-alpha of this width"
    )


def _paths(parts: Models, model: str) -> dict[str, str]:
    if model not in parts:
        return {}
    if any(isinstance(module, BaseTunerLayer) for module in parts[model].modules()):
        raise InvalidInput(f"a LoRA is in effect on the {model} already; pass all LoRAs of a request together")
    return linear_paths(parts[model])


def _mismatch(model: nn.Module | None, path: str | None, low_rank: LowRank) -> str:
    """The reason why an entry cannot be used, or an empty text."""
    if model is None or path is None:
        return "there is no such layer"
    layer: Any = model.get_submodule(path)
    shape = (low_rank.up.shape[0], low_rank.down.shape[1])
    if shape != (layer.out_features, layer.in_features):
        return f"for a layer of {shape[0]}x{shape[1]}, but the layer is {layer.out_features}x{layer.in_features}"
    return ""


def _no_effect_reason(low_rank: LowRank) -> str:
    """The reason why an entry changes nothing at any scale, or an empty text."""
    if not low_rank.strength:
        return "alpha is 0, so it changes nothing"
    for part, numbers in (("lora_up", low_rank.up), ("lora_down", low_rank.down)):
        if not numbers.float().any():
            return f"{part} is all zeros, so it changes nothing"
    return ""
