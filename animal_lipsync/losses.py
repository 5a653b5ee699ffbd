"""What a painted mouth is judged by while a network learns to paint it. Everything is differentiable, a number each.

Pictures are (B, 3, H, W) sRGB in [0, 1], masks (B, H, W) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from .openness import openness
from .types import FaceTrack

AROUND = 0.2
"""Weight of the face outside the mask: it is not shown, but what is painted has to meet it."""
BANDS = 3
"""Octaves of detail whose strength is compared."""
PATCH = 16
"""Pixels over which that strength is averaged: fur and feathers need not agree hair by hair."""
FAINT = 1e-3
"""Strength of detail that counts as none, so that its logarithm exists."""


def masked_l1(painted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference, that within the mask counting fully. Any number of channels."""
    weight = AROUND + (1 - AROUND) * mask[:, None]
    return ((painted - target).abs() * weight).sum() / (weight.sum() * painted.shape[1])


def texture(painted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Difference of the logarithms of how strong detail of each octave is, patch by patch."""
    total, inside = 0.0, mask[:, None]
    for _ in range(BANDS):
        patches = F.avg_pool2d(inside, PATCH)
        strengths = [_strength(picture) for picture in (painted, target)]
        total = total + ((strengths[0] - strengths[1]).abs() * patches).sum() / patches.sum().clamp(min=1)
        painted, target, inside = (F.avg_pool2d(layer, 2) for layer in (painted, target, inside))
    return total / BANDS


def _strength(picture: Tensor) -> Tensor:
    luma = picture.mean(1, keepdim=True)
    detail = luma - F.avg_pool2d(luma, 3, 1, 1, count_include_pad=False)
    return (F.avg_pool2d(detail.square(), PATCH) + FAINT**2).log() / 2


def opening(painted: Tensor, face: FaceTrack, wanted: Tensor) -> Tensor:
    """How far the mouth's opening, as another network sees it, is from what is heard; (B,) wanted, half widths."""
    return F.smooth_l1_loss(openness(painted, face), wanted, beta=0.1)


def identity(painted: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Difference of mean and spread of each channel of latents (B, 4, h, w) within the mask.

    They are the colours and materials of a mouth, wherever it is in them.
    """
    weight = F.adaptive_avg_pool2d(mask[:, None], painted.shape[2:])
    return sum((a - b).abs().mean() for a, b in zip(*(_moments(x, weight) for x in (painted, reference)), strict=True))


def statistics(features: Tensor, base: Tensor) -> Tensor:
    """Difference of mean and spread of each channel of features (B, C, h, w).

    Keeps what a network thinks in the terms of those that read it, so that what it has learned of voices still applies.
    """
    everywhere = features.new_ones(1, 1, 1, 1)
    pairs = zip(_moments(features, everywhere), _moments(base, everywhere), strict=True)
    return sum((a - b).abs().mean() for a, b in pairs)


def _moments(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    weight = (weight / weight.mean((2, 3), keepdim=True).clamp(min=1e-6)).to(x.dtype)
    mean = (x * weight).mean((2, 3), keepdim=True)
    return mean, (((x - mean).square() * weight).mean((2, 3)) + 1e-6).sqrt()


def perceptual(painted: Sequence[Tensor], target: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Difference of what a decoder makes of latents on its way to a picture, its channels evened out.

    Berrada et al., 2025 (arXiv 2411.04873): no further network is needed to judge by.
    """
    total = 0.0
    for a, b in zip(painted, target, strict=True):
        spread = b.std((0, 2, 3), keepdim=True) + 1e-4
        weight = AROUND + (1 - AROUND) * F.adaptive_avg_pool2d(mask[:, None], a.shape[2:])
        total = total + (((a - b) / spread).abs() * weight).sum() / (weight.sum() * a.shape[1])
    return total / max(len(painted), 1)


class Critic(nn.Module):
    """Tells real from painted, patch by patch (Isola et al., 2017): on the whole crop, and on its lower half.

    2 x 0.66 million weights.
    """

    def __init__(self, channels: int = 64):
        super().__init__()
        self.views = nn.ModuleList(_patches(channels) for _ in range(2))

    def forward(self, pictures: Tensor) -> list[list[Tensor]]:
        """For the face and for the mouth: what each layer makes of it, the last the verdict."""
        seen = 2 * pictures - 1
        verdicts = []
        for view, part in zip(self.views, (seen, seen[:, :, seen.shape[2] // 2 :]), strict=True):
            verdicts.append([])
            for layer in view:
                part = layer(part)
                verdicts[-1].append(part)
        return verdicts


Verdicts = list[list[Tensor]]
Rule = Literal["hinge", "least_squares"]


def judge(real: Verdicts, painted: Verdicts, rule: Rule) -> Tensor:
    """What a critic is to learn from its verdicts."""
    total = 0.0
    for yes, no in zip(real, painted, strict=True):
        if rule == "hinge":
            total = total + F.relu(1 - yes[-1]).mean() + F.relu(1 + no[-1]).mean()
        else:
            total = total + (yes[-1] - 1).square().mean() + no[-1].square().mean()
    return total / len(real)


def persuade(painted: Verdicts, rule: Rule) -> Tensor:
    """What the painter is to learn from a critic's verdicts."""
    verdicts = [view[-1] for view in painted]
    losses = [-verdict.mean() if rule == "hinge" else (verdict - 1).square().mean() for verdict in verdicts]
    return sum(losses) / len(losses)


def match_features(painted: Verdicts, real: Verdicts) -> Tensor:
    """Mean difference of what a critic sees in both, all its layers but the verdict."""
    losses = [
        (a - b.detach()).abs().mean()
        for view, other in zip(painted, real, strict=True)
        for a, b in zip(view[:-1], other[:-1], strict=True)
    ]
    return sum(losses) / len(losses)


@contextmanager
def observed(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Within the block the list fills with what each module returns."""
    seen: list[Tensor] = []
    hooks = [module.register_forward_hook(lambda _, __, output: seen.append(output)) for module in modules]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _patches(channels: int) -> nn.ModuleList:
    norm = nn.utils.parametrizations.spectral_norm
    layers, before = [], 3
    for width in (channels, 2 * channels, 4 * channels):
        layers.append(nn.Sequential(norm(nn.Conv2d(before, width, 4, 2, 1)), nn.LeakyReLU(0.2)))
        before = width
    return nn.ModuleList([*layers, norm(nn.Conv2d(before, 1, 4, 1, 1))])
