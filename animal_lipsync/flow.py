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
"""Times that points are moved at each size of the picture, at most."""
SETTLED = 0.03
"""Pixels; when no point is moved further it is left at that."""

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
    around, patch = (_square(radius, points) for radius in (RADIUS + 1, RADIUS))
    at = expected
    for level in reversed(range(levels)):
        scale = 2**level
        first, second = (F.avg_pool2d(image, scale) if level else image for image in (before, after))
        wide = _sample(first, points / scale, around).unflatten(-1, (2 * RADIUS + 3,) * 2)
        across = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]).flatten(2) / 2
        down = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]).flatten(2) / 2
        wanted = wide[..., 1:-1, 1:-1].flatten(2)
        wanted = wanted - wanted.mean(-1, keepdim=True)
        xx, xy, yy = (across * across).sum(-1) + hold, (across * down).sum(-1), (down * down).sum(-1) + hold
        # (B, N, 2, 2): from what is missing, seen through the gradients, to how far to go
        solve = torch.stack([yy, -xy, -xy, xx], -1).unflatten(-1, (2, 2)) / (xx * yy - xy * xy)[..., None, None]
        pull = solve @ torch.stack([across, down], -2)
        target = (at if level < levels - 1 else expected)[..., None] / scale
        goal, back = pull @ wanted[..., None] + hold * solve @ target, hold * solve
        pull = pull - pull.mean(-1, keepdim=True)  # how bright a patch is counts for nothing
        now = target
        for _ in range(STEPS):
            seen = _sample(second, now[..., 0], patch)
            push = (goal - pull @ seen[..., None] - back @ now).clamp(-RADIUS, RADIUS)
            now = now + push
            if push.abs().amax() < SETTLED:
                break
        at = now[..., 0] * scale
    seen = _sample(after, at, patch)
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
    x, y = (torch.view_as_complex(points.contiguous()) for points in (before, after))
    for _ in range(4):
        share = weight / weight.sum(1, keepdim=True).clamp_min(1e-9)
        centre, moved = ((share * at).sum(1, keepdim=True) for at in (x, y))
        offset = x - centre
        held = share * offset.conj()
        turn = (held * (y - moved)).sum(1, keepdim=True) / (held * offset).real.sum(1, keepdim=True).clamp_min(1e-9)
        miss = (moved + turn * offset - y).abs()
        usual = miss.median(1, keepdim=True).values.clamp_min(0.05)
        weight = weight / (1 + (miss / (2 * usual)).square()) ** 2
    shift = moved - turn * centre
    return torch.stack(
        [torch.cat(row, 1) for row in ((turn.real, -turn.imag, shift.real), (turn.imag, turn.real, shift.imag))], 1
    )


def apply_motion(motion: Tensor, points: Tensor) -> Tensor:
    """Points (B, N, 2) moved by `fit_motion`'s result."""
    return points @ motion[:, :, :2].mT + motion[:, None, :, 2]


def _square(radius: int, like: Tensor) -> Tensor:
    """(P, 2) pixels up to `radius` from the middle, row by row."""
    reach = torch.arange(-radius, radius + 1, dtype=like.dtype, device=like.device)
    return torch.stack(torch.meshgrid(reach, reach, indexing="xy"), -1).reshape(-1, 2)


def _sample(images: Tensor, at: Tensor, patch: Tensor) -> Tensor:
    """(B, N, P) grey levels of images (B, 1, H, W) at a patch (P, 2) round points (B, N, 2)."""
    unit = at.new_tensor([2 / images.shape[-1], 2 / images.shape[-2]])
    grid = (at * unit - 1)[:, :, None] + patch * unit
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)[:, 0]
