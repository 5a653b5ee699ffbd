"""Where the inpaint engine works on an animal: the square that its network sees and the part of it that is kept.

MuseTalk was trained on human faces that have the third point of the nose bridge in the middle of the square, and hides
what is below. An animal's muzzle root takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .crop import MouthCrop, cut_mouth
from .musetalk import SIZE
from .rig import MouthRig, build_rig
from .schemas import LEFT_EYE, NOSE, RIGHT_EYE
from .types import FaceTrack

ROOT = 0.5
"""Where the muzzle begins, as a share of the way from the nose up to the eyes."""
MARGIN = 0.06
"""Below the chin, as a share of the way from the muzzle's root to the chin: 3 % of the square."""
FEATHER = 0.35
"""Share of its radius over which the mask fades."""
CALM = 0.08
"""Seconds over which a face's movement is averaged, as a deviation."""
ROUNDNESS = 2.5
"""Exponent of the mask's outline: 2 is an ellipse, more is fuller at the cheeks."""


class Geometry(NamedTuple):
    """Where the network's squares lie in N frames, what it sees of them and which part of what it paints is kept."""

    place: Callable[..., MouthCrop]
    """(face, drop=) -> squares, as `place_lower_face`."""
    cut: Callable[[Tensor, MouthCrop], Tensor]
    """As `cut_mouth`."""
    mask: Callable[[MouthCrop], Tensor]
    """As `lower_face_mask`."""


def place_lower_face(face: FaceTrack, *, drop: float = 0.0) -> MouthCrop:
    """Squares upright by the eyes, the muzzle's root in the middle and the chin near the bottom.

    Args:
        drop: how far the chin may come down, as `jaw_open`; the square then reaches as far.
    """
    rig = build_rig(face)
    points = face.keypoints.astype(float)
    across, down = _axes(face, rig)
    is_side = rig.profile > 0.5

    def height(xy):
        return ((xy - rig.origin) * down).sum(-1)

    def offset(xy):
        return ((xy - rig.origin) * across).sum(-1)

    nose = height(points[:, NOSE])
    eyes = height(points[:, [LEFT_EYE, RIGHT_EYE]].mean(1))
    chin = (rig.gap + rig.jaw + drop * rig.reach) * (rig.down * down).sum(-1)
    root = np.minimum(nose + ROOT * (eyes - nose), nose - 0.15 * (chin - nose))
    corners = np.stack([rig.origin - rig.left[:, None] * rig.across, rig.origin + rig.right[:, None] * rig.across], 1)
    middle = offset(corners.mean(1))
    middle = np.where(is_side, middle, (middle + offset(points[:, NOSE])) / 2)
    side = np.maximum(2 * (1 + MARGIN) * (chin - root), 1.25 * (rig.left + rig.right))
    centre = rig.origin + middle[:, None] * across + root[:, None] * down

    # the mouth in the square: x, y, half width and half height of what `lower_face_mask` keeps
    aside = np.clip(offset(corners.mean(1)) - middle, -0.25 * side, 0.25 * side)
    bottom = np.clip(1.1 * chin, root + 0.2 * side, root + 0.495 * side)
    top = np.clip(-0.55 * rig.nose, root, bottom - 0.15 * side)
    half_width = np.minimum(0.75 * (rig.left + rig.right), 0.495 * side - np.abs(aside))
    mouth = [aside, (top + bottom) / 2 - root, half_width, (bottom - top) / 2]
    return MouthCrop(centre, across, side, np.stack(mouth, 1) / side[:, None], face.visible, SIZE)


def calm(face: FaceTrack, frame_rate: Fraction) -> FaceTrack:
    """The same face without trembling and without lag, for squares that move by parts of a pixel."""
    deviation = CALM * float(frame_rate)
    at = np.arange(-int(3 * deviation), int(3 * deviation) + 1)
    kernel = np.exp(-0.5 * (at / max(deviation, 1e-6)) ** 2)
    kernel /= kernel.sum()
    keypoints = face.keypoints.astype(float)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], face.visible, [False]]).astype(int)))
    for start, end in edges.reshape(-1, 2):
        rows = keypoints[start:end].reshape(end - start, -1)
        # the movement goes on past both ends
        pad = len(at) // 2
        beyond = np.arange(pad, 0, -1).clip(max=len(rows) - 1)
        rows = np.concatenate([2 * rows[:1] - rows[beyond], rows, 2 * rows[-1:] - rows[-1 - beyond[::-1]]])
        smooth = np.stack([np.convolve(column, kernel, "valid") for column in rows.T], 1)
        keypoints[start:end] = smooth.reshape(end - start, -1, 2)
    return replace(face, keypoints=keypoints.astype(np.float32))


def lower_face_mask(crop: MouthCrop) -> Tensor:
    """(N, 256, 256) in [0, 1]: lips, cheeks and jaw, fading outwards; 0 in the upper half and at the edges."""
    at = (torch.arange(crop.size) + 0.5) / crop.size - 0.5
    x, y, half_width, half_height = torch.as_tensor(crop.mouth, dtype=torch.float32).T[..., None, None]
    distance = ((at - x) / half_width).abs() ** ROUNDNESS + ((at[:, None] - y) / half_height).abs() ** ROUNDNESS
    t = ((1 - distance ** (1 / ROUNDNESS)) / FEATHER).clamp(0, 1)
    return t * t * (3 - 2 * t)


LOWER_FACE = Geometry(place_lower_face, cut_mouth, lower_face_mask)
"""That of an animal."""


def _axes(face: FaceTrack, rig: MouthRig) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) unit vectors along the line of the eyes and, a quarter turn on, down; of a profile, those of its mouth."""
    between = (face.keypoints[:, RIGHT_EYE] - face.keypoints[:, LEFT_EYE]).astype(float)
    apart = np.linalg.norm(between, axis=1)
    seen = (face.score[:, [LEFT_EYE, RIGHT_EYE]] > 0).all(1) & (rig.profile <= 0.5)
    upright = seen & (apart > 0.5 * rig.half_width)
    across = np.where(upright[:, None], between / np.maximum(apart, 1e-6)[:, None], rig.across)
    down = np.stack([-across[:, 1], across[:, 0]], axis=1)
    turned = np.where((down * rig.down).sum(-1) < 0, -1.0, 1.0)[:, None]  # eyes named the wrong way round
    return across * turned, down * turned
