"""How blurred a picture is, told from the picture alone: by how little it loses when it is blurred once more.

Crete, Dolmiere, Ladret, Nicolas (2007), "The blur effect: perception and estimation with a new no-reference perceptual
blur metric".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 9
"""Pixels of the blur that it is compared with."""


def blurriness(frames: Tensor) -> Tensor:
    """(N,) from 0, sharp, to 1, of (N, 3, H, W) frames: of their more blurred direction, whatever their contrast."""
    grey = frames.mean(1, keepdim=True)
    return torch.maximum(_along_rows(grey), _along_rows(grey.mT))


def _along_rows(grey: Tensor) -> Tensor:
    again = F.avg_pool2d(F.pad(grey, (REACH // 2, REACH // 2, 0, 0), mode="replicate"), (1, REACH), 1)
    change, left = (grey.diff(dim=-1).abs(), again.diff(dim=-1).abs())
    lost = (change - left).clamp_min(0).sum((1, 2, 3))
    return 1 - lost / change.sum((1, 2, 3)).clamp_min(1e-6)
