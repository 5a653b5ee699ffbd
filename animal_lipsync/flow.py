"""How points of one picture moved to the next: sparse optical flow, for any number of small pictures at once.

Pyramidal Lucas-Kanade with the gradients of the first picture (Bouguet 2000; Baker and Matthews 2004). Knows nothing of
faces.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 5
"""Pixels of a patch on either side of its point."""
STEPS = 4
"""Times that a point is moved at each size of the picture."""

NOISE = 0.01
"""Texture of a patch, summed squares of its grey levels, that is no more than the grain of a camera."""


class Flow(NamedTuple):
    points: Tensor
    """(B, N, 2) pixels of the second picture."""
    alike: Tensor
    """(B, N) up to 1: how well the patches round them match, up to brightness; 1 also where both are blank."""
    grip: Tensor
    """(B, N) in [0, 1]: how much texture holds the point in every direction."""


def follow_points(
    before: Tensor,
    after: Tensor,
    points: Tensor,
    *,
    expected: Tensor | None = None,
    hold: float = 1e-3,
    levels: int = 3,
) -> Flow:
    """Where points of `before` lie in `after`.

    Args:
        before, after: (B, 1, H, W) grey levels in [0, 1].
        points: (B, N, 2) pixels of `before`; pixel 0 spans [0, 1).
        expected: (B, N, 2) where they are looked for first; where they were, when None.
        hold: how firmly a point without texture stays where it is expected.
        levels: sizes of the picture, each half the one before; 1 follows no further than a patch reaches.
    """
    expected = points if expected is None else expected
    reach = torch.arange(-RADIUS, RADIUS + 1, dtype=points.dtype, device=points.device)
    patch = torch.stack(torch.meshgrid(reach, reach, indexing="xy"), -1).reshape(-1, 2)
    at = expected
    for level in reversed(range(levels)):
        scale = 2**level
        first, second = (F.avg_pool2d(image, scale) if level else image for image in (before, after))
        wide = F.pad(first, (1, 1, 1, 1), mode="replicate")
        across = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
        down = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
        layers = torch.cat([first, across, down], 1)
        wanted, across, down = _sample(layers, (points / scale)[:, :, None] + patch)
        wanted = wanted - wanted.mean(-1, keepdim=True)
        xx, xy, yy = (across**2).sum(-1) + hold, (across * down).sum(-1), (down**2).sum(-1) + hold
        area = (xx * yy - xy * xy)[..., None]
        target = at / scale if level < levels - 1 else expected / scale
        now = target
        for _ in range(STEPS):
            seen = _sample(second, now[:, :, None] + patch)[0]
            missing = wanted - (seen - seen.mean(-1, keepdim=True))
            back = hold * (target - now)
            x, y = (across * missing).sum(-1) + back[..., 0], (down * missing).sum(-1) + back[..., 1]
            push = torch.stack([yy * x - xy * y, xx * y - xy * x], -1) / area
            now = now + push.clamp(-RADIUS, RADIUS)
        at = now * scale
    seen = _sample(after, at[:, :, None] + patch)[0]
    seen = seen - seen.mean(-1, keepdim=True)
    texture = wanted.square().sum(-1) + seen.square().sum(-1)
    alike = (2 * (wanted * seen).sum(-1) + 4 * NOISE) / (texture + 4 * NOISE)
    weakest = (xx + yy - ((xx - yy).square() + 4 * xy.square()).sqrt()) / 2
    return Flow(at, alike, weakest / (weakest + NOISE))


def fit_motion(before: Tensor, after: Tensor, weight: Tensor) -> Tensor:
    """(B, 2, 3) the shift, turn and scale that take points (B, N, 2) to others, whatever a minority of them does.

    Args:
        weight: (B, N) how much a point is believed.
    """
    motion = None
    for _ in range(4):
        share = (weight / weight.sum(1, keepdim=True).clamp_min(1e-9))[..., None]
        centre, moved = (share * before).sum(1), (share * after).sum(1)
        x, y = before - centre[:, None], after - moved[:, None]
        spread = (share * x.square()).sum((1, 2)).clamp_min(1e-9)
        a = (share * x * y).sum((1, 2)) / spread
        b = (share[..., 0] * (x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0])).sum(1) / spread
        turn = torch.stack([torch.stack([a, -b], -1), torch.stack([b, a], -1)], -2)
        motion = torch.cat([turn, moved[..., None] - turn @ centre[..., None]], -1)
        miss = (apply_motion(motion, before) - after).norm(dim=-1)
        usual = miss.median(1, keepdim=True).values.clamp_min(0.05)
        weight = weight / (1 + (miss / (2 * usual)).square()) ** 2
    return motion


def apply_motion(motion: Tensor, points: Tensor) -> Tensor:
    """Points (B, N, 2) moved by `fit_motion`'s result."""
    return points @ motion[:, :, :2].mT + motion[:, None, :, 2]


def _sample(images: Tensor, at: Tensor) -> Tensor:
    """(C, B, N, P) values of images (B, C, H, W) at (B, N, P, 2) pixels."""
    size = at.new_tensor([images.shape[-1], images.shape[-2]])
    return F.grid_sample(images, at * (2 / size) - 1, padding_mode="border", align_corners=False).movedim(1, 0)
