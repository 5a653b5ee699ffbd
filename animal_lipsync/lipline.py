"""Finds the lip line of a shut mouth in a still: the dark crease near the curve that the keypoints suggest."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .appearance import LUMA
from .sampling import look_up
from .warp import LINE_POINTS, LINE_REACH, JawField

LEVELS = 49
CREASE = 0.05
"""Half widths between a crease's middle and the brighter lips beside it."""
TRUST = 0.5
"""Weight of the suggested curve against a crease of full contrast, at the edge of `LINE_REACH`."""
BEND = 3
"""Levels by which the line may rise or fall from one of its points to the next."""


def find_lip_line(frame: Tensor, jaw: JawField) -> Tensor:
    """How far the lip line lies below `jaw.seam`, at LINE_POINTS places from the left corner to the right one.

    The line of most crease and least deviation, by dynamic programming. Where no crease shows it is 0.

    Args:
        frame: (1, 3, H, W) sRGB in [0, 1].
        jaw: of one frame at rest.

    Returns:
        (1, LINE_POINTS), pixels.
    """
    share = torch.linspace(-1, 1, LINE_POINTS, device=frame.device).reshape(1, 1, -1)
    if jaw.is_side:
        share = (share + 1) / 2
        a, size = share * jaw.length, jaw.length
    else:
        a, size = share * torch.where(share < 0, jaw.left, jaw.right), jaw.half_width
    step = 2 * LINE_REACH / (LEVELS - 1)
    beside = max(1, round(CREASE / step))
    levels = torch.arange(-beside, LEVELS + beside, device=frame.device).reshape(1, -1, 1) * step - LINE_REACH
    x, y = jaw.to_frame(a, jaw.seam(a) + levels * size)
    weights = frame.new_tensor(LUMA).reshape(1, 3, 1, 1)
    luma = (look_up(frame, x, y) * weights).sum(1)[0].cpu().numpy()
    luma = (np.roll(luma, 1, 1) + 2 * luma + np.roll(luma, -1, 1)) / 4  # along the line, against single hairs

    middle = luma[beside:-beside]
    valley = np.minimum(luma[: -2 * beside], luma[2 * beside :]) - middle
    contrast = np.clip(valley / max(0.15, float(luma.std()) * 1.5), 0, 1)
    away = np.abs(np.linspace(-1, 1, LEVELS))[:, None]
    # corners and the point under the nose are known; between them the curve is only a guess
    known = 1 + 3 * np.cos(np.pi * np.linspace(-1, 1, LINE_POINTS)) ** 8
    cost = TRUST * known * away**2 - contrast

    total, came_from = cost[:, 0], []
    for column in cost.T[1:]:
        padded = np.pad(total, BEND, constant_values=np.inf)
        bent = np.stack([padded[i : i + LEVELS] + 0.02 * abs(i - BEND) for i in range(2 * BEND + 1)])
        came_from.append(bent.argmin(0) - BEND)
        total = bent.min(0) + column
    level = int(total.argmin())
    line = [level]
    for steps in reversed(came_from):
        level = int(np.clip(level + steps[level], 0, LEVELS - 1))
        line.append(level)
    offsets = np.array(line[::-1], float) * step - LINE_REACH
    offsets = np.convolve(np.pad(offsets, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], "valid")
    return torch.as_tensor(offsets, dtype=torch.float32, device=frame.device)[None] * size[:, 0]
