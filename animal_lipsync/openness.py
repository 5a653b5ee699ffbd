"""How far an animal's mouth is open, seen in the picture: a small network that looks at the mouth alone.

It serves to judge results and to train by: it knows nothing of how a mouth was opened, and gradients flow through it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .rig import build_rig
from .sampling import look_up
from .types import FaceTrack

SIZE = 48
"""Pixels along one side of what the network sees."""
REACH = 1.6
"""Half widths of the mouth that this is to the left and right of the upper lip's middle."""
ABOVE = 0.8
"""Half widths above it; the rest of the square lies below."""


class OpennessNet(nn.Sequential):
    """(N, 3, SIZE, SIZE) of `mouth_crop` -> (N, 1): the distance of the lips in half widths of the mouth."""

    def __init__(self):
        layers, channels = [], 3
        for width in (16, 32, 64, 96):
            layers += [nn.Conv2d(channels, width, 3, 2, 1), nn.GroupNorm(8, width), nn.SiLU()]
            layers += [nn.Conv2d(width, width, 3, 1, 1, groups=width), nn.SiLU()]
            channels = width
        super().__init__(*layers, nn.Flatten(), nn.Linear(96 * 9, 64), nn.SiLU(), nn.Linear(64, 1))


def mouth_crop(frames: Tensor, face: FaceTrack) -> Tensor:
    """The mouth, upright and of one size.

    Args:
        frames: (N, 3, H, W) sRGB in [0, 1]; gradients flow back to them.
        face: of N frames, or of 1 that holds for all; upper lip and corners place the crop, not what is open.

    Returns:
        (N, 3, SIZE, SIZE), lightness and contrast evened out.
    """
    rig = build_rig(face)

    def column(values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=frames.device).reshape(-1, 1, 1)

    unit = column(rig.half_width)
    u = torch.linspace(-REACH, REACH, SIZE, device=frames.device).reshape(1, 1, -1) * unit
    v = torch.linspace(-ABOVE, 2 * REACH - ABOVE, SIZE, device=frames.device).reshape(1, -1, 1) * unit
    x, y = (column(rig.origin[:, i]) + u * column(rig.across[:, i]) + v * column(rig.down[:, i]) for i in (0, 1))
    return even_out(look_up(frames, x, y))


def even_out(crops: Tensor) -> Tensor:
    """Crops whose mean is 0 and whose deviation is 1, whatever the light was."""
    mean = crops.mean((1, 2, 3), keepdim=True)
    return (crops - mean) / (crops.std((1, 2, 3), keepdim=True) + 0.02)


@cache
@torch.inference_mode(False)  # what is loaded within it could never be trained by
def load_openness(device: str = "cpu") -> OpennessNet:
    network = OpennessNet()
    path = files(__package__) / "weights" / "openness.safetensors"
    network.load_state_dict({name: value.float() for name, value in load_file(str(path)).items()})
    return network.eval().requires_grad_(False).to(device)


def openness(frames: Tensor, face: FaceTrack) -> Tensor:
    """(N,) distance of the lips in half widths of the mouth, about 0 where it is shut; see `mouth_crop`."""
    return load_openness(str(frames.device))(mouth_crop(frames, face))[:, 0]
