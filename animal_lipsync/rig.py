"""The mouth's own frame of reference, derived from nine keypoints: where it hinges, which way it opens, how far.

In this frame x runs across the mouth and y along the way the jaw drops, both in pixels, with the origin at the seam
under the nose. Knows nothing of pixels' colours or of time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .schemas import CHIN, LEFT_EYE, LOWER_LIP, MOUTH_LEFT, MOUTH_RIGHT, NOSE, RIGHT_EYE, UPPER_LIP
from .types import FaceTrack

BIRDS = frozenset({"bird", "parrot", "macaw", "cockatoo", "chicken", "duck", "owl", "eagle", "crow", "pigeon"})
SHUT_GAP = 0.06
"""Lips closer than this share of the mouth's half width count as shut (labelling noise)."""
BLENDED = 0.85, 1.45
"""How far out of the corners' middle the lips lie where the front view and the side view begin to be the only one."""


@dataclass(frozen=True, eq=False)
class MouthRig:
    """One mouth in N frames; every field has N rows, float32, pixels unless said otherwise."""

    origin: np.ndarray
    """(N, 2) upper lip centre, in the frame's pixels."""
    across: np.ndarray
    """(N, 2) unit vector towards the right corner."""
    down: np.ndarray
    """(N, 2) unit vector the jaw drops along; perpendicular to `across`."""
    left: np.ndarray
    """(N,) distance to the left corner along `across`, > 0."""
    right: np.ndarray
    """(N,) distance to the right corner, > 0."""
    left_drop: np.ndarray
    """(N,) y of the left corner."""
    right_drop: np.ndarray
    """(N,) y of the right corner."""
    jaw: np.ndarray
    """(N,) y of the chin when the mouth is shut, > 0."""
    nose: np.ndarray
    """(N,) distance from the lip up to the nose, > 0."""
    gap: np.ndarray
    """(N,) how far the lips are apart in the picture; 0 when shut."""
    profile: np.ndarray
    """(N,) 0 seen from the front, 1 from the side: the mouth then hinges at one end and is free at the other."""
    facing: np.ndarray
    """(N,) +1 when the free end of a profile points to +x, -1 to -x."""
    turned: np.ndarray
    """(N,) how far a head that turns has come from the front (0) to the side (1): `profile` jumps there, as a corner of
    the mouth passes behind the lips within a frame or two, and this is what may be blended by."""
    beak: bool

    def __getitem__(self, frames) -> MouthRig:
        rows = {name: getattr(self, name)[frames] for name in self.__dataclass_fields__ if name != "beak"}
        return MouthRig(**rows, beak=self.beak)

    @property
    def half_width(self) -> np.ndarray:
        """(N,) half the mouth's width; of a profile, half its length."""
        return (self.left + self.right) / 2

    @property
    def reach(self) -> np.ndarray:
        """(N,) how far the chin drops at jaw_open = 1."""
        frontal = 0.50 * self.jaw + 0.34 * self.half_width
        side = (0.50 if self.beak else 0.42) * np.maximum(self.left, self.right)
        return frontal + (side - frontal) * self.profile


def build_rig(face: FaceTrack, *, is_side: bool | None = None) -> MouthRig:
    """The mouth rig of every frame of `face` (schema animal9).

    Args:
        is_side: whether to take all of them as seen from the side or from the front; None: each as it is seen.

    Points that lie on top of each other, are mirrored or out of the frame give a small, regular mouth, never a fold.

    Raises:
        ValueError: a keypoint or the box is not a finite number.
    """
    points = face.keypoints.astype(np.float64)
    if not (np.isfinite(points).all() and np.isfinite(face.boxes).all()):
        raise ValueError("The keypoints hold values that are not numbers; set them again with Edit Keypoints.")
    upper, lower, chin = points[:, UPPER_LIP], points[:, LOWER_LIP], points[:, CHIN]
    beak = face.species.lower() in BIRDS
    if beak:  # the upper bill hooks over the lower one, whose own tip ends the line along which they part
        upper = lower
    corners = points[:, [MOUTH_LEFT, MOUTH_RIGHT]]
    size = np.maximum((face.boxes[:, 2:] - face.boxes[:, :2]).max(1), 8.0).astype(np.float64)

    to_left, to_right = corners[:, 0] - upper, corners[:, 1] - upper
    cosine = _dot(_unit(to_left), _unit(to_right))
    profile = _smooth((cosine - 0.35) / 0.45) if is_side is None else np.full(len(upper), float(is_side))

    # seen from the front the mouth lies between the corners; from the side, between the corners and the lips
    hinge = corners.mean(1)
    front_axis = _unit(corners[:, 1] - corners[:, 0], fallback=points[:, RIGHT_EYE] - points[:, LEFT_EYE])
    side_axis = _unit(upper - hinge, fallback=front_axis)
    axis = np.where(profile[:, None] > 0.5, side_axis, front_axis)
    turned = _smooth((_out_of_middle(upper, corners) - BLENDED[0]) / (BLENDED[1] - BLENDED[0]))
    across_down = np.stack([-axis[:, 1], axis[:, 0]], axis=1)
    chin_way = chin - upper
    across_down *= np.where(_dot(across_down, chin_way) < 0, -1.0, 1.0)[:, None]
    chin_way = _unit(chin_way, fallback=across_down)
    leans = np.clip(_dot(chin_way, across_down), 0, 1) * (1 - profile)
    down = _unit(across_down + 0.8 * leans[:, None] * chin_way)
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)

    left_x, right_x = _dot(to_left, across), _dot(to_right, across)
    left_y, right_y = _dot(to_left, down), _dot(to_right, down)
    swap = left_x > right_x
    left_x, right_x = np.where(swap, right_x, left_x), np.where(swap, left_x, right_x)
    left_y, right_y = np.where(swap, right_y, left_y), np.where(swap, left_y, right_y)

    facing = np.where(_dot(upper - hinge, across) < 0, -1.0, 1.0)
    length = np.maximum(np.linalg.norm(upper - hinge, axis=1), 0.08 * size)
    hinge_y = _dot(hinge - upper, down)
    least = 0.04 * size
    left = np.maximum(-left_x, least)
    right = np.maximum(right_x, least)
    # a mouth's two halves differ at most as much as a three-quarter view makes them
    left, right = np.maximum(left, 0.22 * right), np.maximum(right, 0.22 * left)
    side = profile > 0.5
    left = np.where(side, np.where(facing > 0, length, 0.3 * length), left)
    right = np.where(side, np.where(facing > 0, 0.3 * length, length), right)
    left_y = np.where(side, np.where(facing > 0, hinge_y, 0.0), left_y)
    right_y = np.where(side, np.where(facing > 0, 0.0, hinge_y), right_y)
    half = (left + right) / 2
    left_y, right_y = (np.clip(y, -0.8 * half, 0.8 * half) for y in (left_y, right_y))

    gap = np.clip(_dot(lower - upper, down), 0, 1.6 * half)
    gap = np.where(gap < SHUT_GAP * half, 0.0, gap)
    jaw = np.clip(_dot(chin - upper, down) - gap, 0.30 * half, 2.0 * half)
    nose = np.clip(-_dot(points[:, NOSE] - upper, down), 0.30 * half, 2.0 * half)

    rows = (upper, across, down, left, right, left_y, right_y, jaw, nose, gap, profile, facing, turned)
    return MouthRig(*(row.astype(np.float32) for row in rows), beak=beak)


def _out_of_middle(upper: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(N,) how far the lips lie from the middle of the corners, in half their distance: 0 from the front, 1 where they
    hide a corner, more from the side. Below or above the corners they may lie further, as those of a long muzzle do."""
    axis = _unit(corners[:, 1] - corners[:, 0])
    offset = upper - corners.mean(1)
    along, off = _dot(offset, axis), axis[:, 0] * offset[:, 1] - axis[:, 1] * offset[:, 0]
    half = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1) / 2
    return np.hypot(along, off / 1.65) / np.maximum(half, 1e-3)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1)


def _unit(vectors: np.ndarray, *, fallback: np.ndarray | None = None) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if fallback is None:
        fallback = np.broadcast_to([1.0, 0.0], vectors.shape)
    else:
        fallback = _unit(fallback)
    return np.where(length > 1e-6, vectors / np.maximum(length, 1e-6), fallback)


def _smooth(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)
