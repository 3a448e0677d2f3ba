"""LPIPS: the perceptual distance of two images by VGG16 (R. Zhang et al., CVPR 2018), with weights from the user.

The file is safetensors with torchvision's names of VGG16's convolutions (`features.0.weight` …) and LPIPS's five
heads (`lin0.weight` … `lin4.weight`, [1, C, 1, 1]). Without heads all channels have the same weight.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from easyanimate.training.errors import TrainingError

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of LPIPS, for pixels in [-1, 1]


class PerceptualLoss(nn.Module):
    """The frozen network: two batches [N, 3, H, W] in [-1, 1] -> distances [N], 0 for equal images."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stages, self.heads, before = nn.ModuleList(), nn.ParameterList(), 3
        for widths in STAGES:
            layers = []
            for width in widths:
                layers.append(nn.Conv2d(before, width, 3, padding=1))
                before = width
            self.stages.append(nn.ModuleList(layers))
            self.heads.append(nn.Parameter(torch.full((1, before, 1, 1), 1 / before)))
        self.register_buffer("shift", torch.tensor(SHIFT)[None, :, None, None])
        self.register_buffer("scale", torch.tensor(SCALE)[None, :, None, None])
        self.requires_grad_(False)

    @classmethod
    def load(cls, file: Path) -> "PerceptualLoss":
        """The network of a safetensors file. Raises TrainingError with the file and what is missing."""
        try:
            weights = load_file(file)
        except (OSError, SafetensorError) as error:
            raise TrainingError(f"{file} cannot be read: {error}") from error
        network = cls()
        for name, parameter in network.named_weights().items():
            if name.startswith("lin") and name not in weights:
                continue
            if name not in weights or weights[name].shape != parameter.shape:
                raise TrainingError(
                    f"{file} has no {name} of shape {list(parameter.shape)}; it must hold VGG16's features"
                )
            parameter.data.copy_(weights[name])
        return network

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """The distances [N] of `images` and `others` [N, 3, H, W]."""
        x, y = ((each - self.shift) / self.scale for each in (images, others))
        total = x.new_zeros(len(x))
        for i, (stage, head) in enumerate(zip(self.stages, self.heads, strict=True)):
            x, y = (F.max_pool2d(each, 2) if i else each for each in (x, y))
            for layer in stage:  # type: ignore[attr-defined]
                x, y = F.relu(layer(x)), F.relu(layer(y))
            distance = (F.normalize(x, dim=1) - F.normalize(y, dim=1)).square()
            total = total + (distance * head).sum(1).mean((1, 2))
        return total

    def named_weights(self) -> dict[str, nn.Parameter]:
        """Parameters by their names in the file; torchvision also counts activations and poolings."""
        named: dict[str, nn.Parameter] = {}
        index = 0
        for i, (stage, head) in enumerate(zip(self.stages, self.heads, strict=True)):
            for layer in stage:  # type: ignore[attr-defined]
                named |= {f"features.{index}.weight": layer.weight, f"features.{index}.bias": layer.bias}
                index += 2
            index += 1
            named[f"lin{i}.weight"] = head
        return named
