"""Fits the inside of a mouth between the lips of a picture: painted, or taken from a picture of an open mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .appearance import Appearance, measure_appearance
from .mouth import dentition_of, lip_coordinates, paint_mouth, to_texture
from .rig import build_rig
from .sampling import blur, look_up, sample_grid
from .types import FaceTrack, MouthMotion
from .warp import JawField, jaw_field, smoothstep

OWN_INSIDE = 0.35
"""A source mouth open wider than this share of its half width shows its own inside instead of a painted one."""
TEXTURE_WIDTH = 208
"""Most pixels across at which the inside is painted before it is fitted between the lips."""


@dataclass(frozen=True, eq=False)
class OpenMouth:
    """A picture of the same animal with its mouth open, whose inside is used instead of a painted one."""

    picture: Tensor
    """(1, 3, H, W) float32 sRGB in [0, 1]."""
    face: FaceTrack
    """Of one frame, in pixels of `picture`; upper_lip and lower_lip apart."""

    def __post_init__(self):
        if build_rig(self.face).gap[0] == 0:
            raise ValueError(
                "The reference picture's mouth is shut: its upper_lip and lower_lip keypoints lie on each other. "
                "Use a picture with the mouth open, or place the two points on the lips' edges."
            )


def fill_mouth(
    frames: Tensor,
    jaw: JawField,
    look: Appearance,
    a: Tensor,
    b: Tensor,
    lips: tuple[Tensor, Tensor],
    *,
    size: float,
    grain: Tensor,
    species: str,
    reference: OpenMouth | None,
) -> tuple[Tensor, Tensor]:
    """What shows between the lips.

    Args:
        frames: (N or 1, 3, H, W) the source.
        a, b: (N or 1, h, w) mouth coordinates of the pixels to fill.
        lips: b of the upper and lower lip at those pixels.
        size: pixels, about half a mouth's width, alike for all frames.
        grain: (h, w) noise of deviation 1.

    Returns:
        (N, 3, h, w) colours in [0, 1] and (N, h, w) coverage in [0, 1].
    """
    lip_up, lip_low = lips
    edge = 3 * look.softness  # a ramp this wide looks like a Gaussian of deviation `softness`
    cover = ((b - lip_up) / edge + 0.5).clamp_(0, 1) - ((b - lip_low) / edge + 0.5).clamp_(0, 1)
    v = ((b - lip_up) / (lip_low - lip_up).clamp(min=1e-3)).clamp_(0, 1)
    u = jaw.across_share(a)
    if jaw.is_side:
        cover = cover * ((jaw.front_edge(v) - u) * jaw.length / edge + 0.5).clamp_(0, 1)
    else:
        u = u / jaw.narrow

    texture = _inside(frames, jaw, look, species, reference, size=size)
    grid = torch.stack([to_texture(u, is_side=jaw.is_side).expand_as(v), 2 * v - 1], -1)
    colour = sample_grid(texture, grid, align_corners=True)
    return (colour + grain * look.grain[:, None]).clamp_(0, 1), cover.clamp_(min=0)


def muzzle(frames: Tensor, jaw: JawField, size: float) -> Tensor:
    """(N, 3, h, w) the part of each frame whose light, sharpness and grain count."""
    boxes = muzzle_boxes(jaw, size, *frames.shape[:1:-1]).tolist()
    boxes = boxes * len(frames) if len(boxes) == 1 else boxes
    return torch.stack([frame[:, y1:y2, x1:x2] for frame, (x1, y1, x2, y2) in zip(frames, boxes, strict=True)])


def muzzle_boxes(jaw: JawField, size: float, width: int, height: int) -> np.ndarray:
    """(N, 4) x1, y1, x2, y2 of the square round each mouth, within the frame; small, because measuring takes time."""
    side = int(np.clip(4 * size, 24, 96))
    middle = torch.cat([jaw.origin_x, jaw.origin_y], 2)[:, 0].cpu().numpy()
    corner = np.clip(np.floor(middle) - side // 2, 0, np.maximum([width - side, height - side], 0)).astype(int)
    return np.concatenate([corner, np.minimum(corner + side, [width, height])], 1)


def _inside(frames, jaw: JawField, look: Appearance, species: str, reference: OpenMouth | None, *, size: float):
    """(N, 3, h, w) the inside in lip coordinates, u along w and v along h: small, whatever the picture's size."""
    width = int(np.clip(2 * size, 16, TEXTURE_WIDTH))
    u, v = lip_coordinates(width, width // 2, is_side=jaw.is_side, device=frames.device)
    if jaw.is_side:
        a, half = u * jaw.length, jaw.length
    else:
        a, half = u * jaw.narrow * torch.where(u < 0, jaw.left, jaw.right), jaw.half_width
    lip_up, lip_low = jaw.lips(a)
    gap = lip_low - lip_up
    own = smoothstep((jaw.gap / half - OWN_INSIDE) / 0.2)
    if reference is not None:
        colour = _reference_inside(reference, jaw, look, u, v)
    else:
        dentition = dentition_of(species, beak=jaw.beak)
        colour = paint_mouth(
            gap / half, light=look.light, slant=look.slant, dentition=dentition, is_side=jaw.is_side, beak=jaw.beak
        )
        if bool((own > 0).any()):
            colour = colour + (_shown_inside(frames, jaw, u, v) - colour) * own[:, None]
    near = torch.minimum(v, (1 - v) * 0.8) * gap / (0.055 * half)
    rim = 0.9 * smoothstep(1 - near) * (1 - own)
    colour = colour + (0.55 * _lip_colour(frames, jaw) - colour) * rim[:, None]
    return blur(colour, (look.softness * width / (2 * jaw.half_width)).clamp(0.02, 4.0))


def _reference_inside(reference: OpenMouth, jaw: JawField, look: Appearance, u: Tensor, v: Tensor) -> Tensor:
    rig = build_rig(reference.face)
    is_side = bool(rig.profile[0] > 0.5)
    if is_side != jaw.is_side:
        views = ("the front", "the side")
        raise ValueError(
            f"The reference picture shows the mouth from {views[is_side]}, the source from {views[jaw.is_side]}; "
            "use one seen the same way."
        )
    picture = reference.picture.to(u.device)
    theirs = jaw_field(rig, MouthMotion.from_channels(1, 1), is_side=is_side, device=u.device)
    across = torch.as_tensor(rig.across, device=u.device)
    light = measure_appearance(muzzle(picture, theirs, float(rig.half_width[0])), across).light
    return (_shown_inside(picture, theirs, u, v) * look.light / light).clamp(0, 1)


def _shown_inside(frames: Tensor, jaw: JawField, u: Tensor, v: Tensor) -> Tensor:
    """The inside of the mouth that stands open in `frames`, in lip coordinates."""
    if jaw.is_side:
        a = u * jaw.length
    else:
        a = u * jaw.narrow * torch.where(u < 0, jaw.left, jaw.right)
    return look_up(frames, *jaw.to_frame(a, jaw.seam(a) + v * jaw.gap * jaw.lip_profile(a)))


def _lip_colour(frames: Tensor, jaw: JawField) -> Tensor:
    """(N, 3, 1, 1) the dark of the lip line."""
    share = torch.linspace(-0.8, 0.8, 33, device=frames.device).reshape(1, 1, -1)
    if jaw.is_side:
        a = (share + 1) / 2 * jaw.length
    else:
        a = share * torch.where(share < 0, jaw.left, jaw.right)
    line = look_up(frames, *jaw.to_frame(a, jaw.seam(a)))
    return line.sort(-1).values[..., :17].mean(-1, keepdim=True)
