"""How a picture was taken: its light, sharpness and grain, so that what is painted into it matches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

GRAIN_TILE = 256
"""Pixels after which the grain repeats."""
LUMA = (0.2126, 0.7152, 0.0722)
"""BT.709."""


@dataclass(frozen=True, eq=False)
class Appearance:
    light: Tensor
    """(N, 3, 1, 1) colour of the light; 1 = a well exposed picture in white light."""
    slant: Tensor
    """(N, 1, 1) from -1, lit from the left, to 1, from the right."""
    softness: Tensor
    """(N, 1, 1) pixels: standard deviation of the blur of the picture's sharpest edges."""
    grain: Tensor
    """(N, 1, 1) standard deviation of the noise in its smooth places."""


def measure_appearance(frames: Tensor, across: Tensor) -> Appearance:
    """Measure the surroundings of a mouth.

    Args:
        frames: (N, 3, h, w) sRGB in [0, 1], the face round the mouth.
        across: (N, 2) unit vector to the face's right.
    """
    weights = frames.new_tensor(LUMA).reshape(1, 3, 1, 1)
    luma = (frames * weights).sum(1, keepdim=True)
    count, _, height, width = frames.shape

    # light: the bright tenth of the face, whose own colour is halved because fur is seldom white
    bright = luma.flatten(1).quantile(0.9, dim=1).reshape(-1, 1, 1, 1)
    lit = (luma >= bright).to(frames.dtype)
    cast = (frames * lit).sum((2, 3), keepdim=True) / lit.sum((2, 3), keepdim=True).clamp(min=1)
    cast = cast / (cast * weights).sum(1, keepdim=True).clamp(min=1e-3)
    light = (0.22 + 0.86 * bright).clamp(0.18, 1.05) * cast.clamp(0.5, 1.6).sqrt()

    x = torch.linspace(-1, 1, width, device=frames.device)
    y = torch.linspace(-1, 1, height, device=frames.device)
    side = across[:, 0, None, None] * x + across[:, 1, None, None] * y[:, None]
    mean = luma.mean((2, 3)).clamp(min=1e-3)
    slant = (3.0 * (luma[:, 0] * side).mean((1, 2)) / mean[:, 0]).clamp(-1, 1)

    # an edge of height c blurred by a Gaussian of deviation s has the slope c / (s sqrt(2 pi))
    slope = torch.cat([(luma[..., 1:, 1:] - luma[..., 1:, :-1]), (luma[..., 1:, 1:] - luma[..., :-1, 1:])], 1)
    slope = slope.square().sum(1, keepdim=True).sqrt()
    reach = _brightest_near(luma) + _brightest_near(-luma)
    steep = slope.flatten(1)
    strong = steep >= steep.quantile(0.99, dim=1, keepdim=True)
    blur = reach[..., 1:, 1:].flatten(1) / (steep.clamp(min=1e-4) * 2.5066)
    softness = ((blur * strong).sum(1) / strong.sum(1).clamp(min=1)).clamp(0.4, 4.0)

    high = luma - F.avg_pool2d(F.pad(luma, (1, 1, 1, 1), mode="replicate"), 3, 1)
    block = max(min(8, height, width), 1)
    spread = F.avg_pool2d(high.square(), block).sqrt().flatten(1)
    grain = (0.8 * spread.quantile(0.05, dim=1)).clamp(0, 0.012)
    return Appearance(
        light,
        slant.reshape(count, 1, 1),
        softness.reshape(count, 1, 1),
        grain.reshape(count, 1, 1),
    )


def _brightest_near(luma: Tensor) -> Tensor:
    """The largest of the 7 x 7 values round each; along one axis and then the other it takes a third of the time."""
    return F.max_pool2d(F.max_pool2d(luma, (7, 1), 1, (3, 0)), (1, 7), 1, (0, 3))


def film_grain(x: int, y: int, width: int, height: int) -> Tensor:
    """(height, width) noise of deviation 1 that belongs to the pixels from (`x`, `y`) on, in whatever crop they lie."""
    tile = torch.randn(GRAIN_TILE, GRAIN_TILE, generator=torch.Generator().manual_seed(0))
    rows, columns = torch.arange(y, y + height) % GRAIN_TILE, torch.arange(x, x + width) % GRAIN_TILE
    return tile[rows[:, None], columns]
