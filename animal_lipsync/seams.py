"""Whether it shows where an edit was pasted into a head.

A seam is an edge that stays in one place on the head through the whole video and that the source does not have. What
moves with the mouth is blurred away by taking the mean of all frames, the head upright and of one size; the lips
themselves do not count.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .rig import build_rig
from .sampling import look_up
from .types import FaceTrack

SIZE = 256
"""Pixels of the upright head along one side."""
REACH = 1.3
"""Half sizes of the head's box that it shows around its middle."""
SMOOTH = 5
"""Of them over which the mean is taken first, as compression leaves noise that stays in its place."""
STEEPEST = 0.005
"""Share of its pixels that a seam is made of."""


class Seams:
    """The mean of a head in all frames that were added, before and after."""

    def __init__(self):
        self.frames = 0
        self.heads = torch.zeros(2, 3, SIZE, SIZE)
        self.lips = torch.zeros(SIZE, SIZE, dtype=torch.bool)

    def add(self, frames: Tensor, sources: Tensor, face: FaceTrack) -> None:
        """(N, 3, H, W) in [0, 1] after and before, and where the head is: N rows, or 1 that holds for all."""
        rig = build_rig(face)

        def rows(values: np.ndarray) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32).reshape(len(face), -1, 1, 1)

        across, down, lip = (rows(vector) for vector in (rig.across, rig.down, rig.origin))
        middle = rows((face.boxes[:, :2] + face.boxes[:, 2:]) / 2)
        half = rows((face.boxes[:, 2:] - face.boxes[:, :2]).max(1) / 2 * REACH)
        line = torch.linspace(-1, 1, SIZE)
        at = middle + half * (across * line + down * line[:, None])
        a, b = (((at - lip) * vector).sum(1) for vector in (across, down))
        half_width, nose, jaw = (rows(part)[:, 0] for part in (rig.half_width, rig.nose, rig.jaw + rig.gap + rig.reach))
        self.lips |= ((a.abs() < 1.2 * half_width) & (b > -0.6 * nose) & (b < jaw)).any(0)
        self.heads += torch.stack([look_up(pictures, *at.unbind(1)).sum(0) for pictures in (frames, sources)])
        self.frames += len(frames)

    def visibility(self) -> float:
        """How much steeper the steepest `STEEPEST` of the head became, 0 to 255 over two pixels; NaN of no frames."""
        if not self.frames:
            return float("nan")
        after, before = (_steepness(head) for head in F.avg_pool2d(self.heads / self.frames * 255, SMOOTH, 1))
        edge = SMOOTH // 2 + 1
        away = ~self.lips[edge:-edge, edge:-edge]
        # what was only moved a little is no new edge
        new = (after - F.max_pool2d(before[None], 5, 1, 2)[0]).clamp(min=0)[away]
        return float(new.topk(max(1, round(STEEPEST * len(new)))).values.mean())


def _steepness(picture: Tensor) -> Tensor:
    """(h - 2, w - 2) of (3, h, w): the largest difference of any colour over two pixels."""
    across, down = picture[:, 1:-1, 2:] - picture[:, 1:-1, :-2], picture[:, 2:, 1:-1] - picture[:, :-2, 1:-1]
    return torch.hypot(across, down).amax(0)
