"""Changes to a training picture that leave it true: its place, its light, its mirror image, what is behind it.

Reference and target of a pair go through the same light and mirror, and each through a place of its own, as the network
is to copy what an animal looks like and not where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .crop import MouthCrop, cut_mouth
from .musetalk import SIZE
from .schemas import SCHEMAS
from .types import FaceTrack


@dataclass(frozen=True)
class Augmentation:
    shift: float = 0.03
    """Standard deviation, in sides of the square."""
    scale: float = 0.04
    """Of the square's side, as a share of it."""
    turn: float = 4.0
    """Degrees."""
    light: float = 0.08
    """Of gain and gamma, as a share."""
    tint: float = 0.02
    """Likewise, of each colour's own."""
    mirror: float = 0.5
    """How often a pair is mirrored."""
    background: float = 0.2
    """How often what is behind the head is replaced."""


USUAL = Augmentation()
UNCHANGED = Augmentation(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Look:
    """One drawing of what both pictures of a pair share."""

    gain: Tensor
    """(3, 1, 1)."""
    gamma: Tensor
    """(3, 1, 1)."""
    is_mirrored: bool
    background: Tensor | None
    """(3, H, W), or None to keep the picture's own."""

    def apply(self, picture: Tensor, face: FaceTrack) -> tuple[Tensor, FaceTrack]:
        """A picture (3, H, W) of [0, 1] and the face in it, one row."""
        picture = (picture.clamp(1e-4, 1) ** self.gamma * self.gain).clamp(0, 1)
        if self.background is not None:
            head = head_mask(face, *picture.shape[1:])
            picture = self.background + (picture - self.background) * head
        return (picture.flip(2), mirror(face, picture.shape[2])) if self.is_mirrored else (picture, face)


def draw_look(rng: np.random.Generator, settings: Augmentation, size: int) -> Look:
    changes = settings.light * rng.normal(size=(2, 1, 1, 1)) + settings.tint * rng.normal(size=(2, 3, 1, 1))
    gain, gamma = torch.from_numpy(np.exp(changes)).float()
    is_mirrored = bool(rng.random() < settings.mirror)
    background = None
    if rng.random() < settings.background:
        colours = torch.from_numpy(rng.random((1, 3, 4, 4))).float()
        background = F.interpolate(colours, size=(size, size), mode="bicubic", align_corners=False)[0].clamp(0, 1)
    return Look(gain, gamma, is_mirrored, background)


def draw_place(rng: np.random.Generator, settings: Augmentation, size: int) -> MouthCrop:
    """The square to cut out of a `size` x `size` picture in whose middle the network's own lies, moved a little."""
    side = SIZE * np.exp(settings.scale * rng.normal())
    room = max((size - side) / 2, 0)
    shift = np.clip(settings.shift * SIZE * rng.normal(size=2), -room, room)
    angle = np.radians(settings.turn * rng.normal())
    centre, across = size / 2 + shift, np.array([np.cos(angle), np.sin(angle)])
    return MouthCrop(centre[None], across[None], np.array([side]), np.zeros((1, 4)), np.ones(1, bool), SIZE)


def cut(picture: Tensor, face: FaceTrack, place: MouthCrop) -> tuple[Tensor, FaceTrack]:
    """What lies in `place` of a picture (C, H, W), as (C, 256, 256), and the face in its pixels."""
    keypoints = place.to_crop(face.keypoints.astype(float)).astype(np.float32)
    corners = place.to_crop(face.boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]].astype(float)).astype(np.float32)
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
    return cut_mouth(picture[None], place)[0], replace(face, keypoints=keypoints, boxes=boxes)


def mirror(face: FaceTrack, width: float) -> FaceTrack:
    """The face in the picture of that width flipped left to right."""
    order = list(SCHEMAS[face.schema].mirror)
    keypoints, boxes = face.keypoints[:, order].copy(), face.boxes[:, [2, 1, 0, 3]].copy()
    keypoints[..., 0] = width - keypoints[..., 0]
    boxes[:, [0, 2]] = width - boxes[:, [0, 2]]
    return replace(face, keypoints=keypoints, boxes=boxes, score=face.score[:, order])


def head_mask(face: FaceTrack, height: int, width: int) -> Tensor:
    """(height, width) in [0, 1]: an ellipse somewhat larger than the box of a face of one row, soft at its edge."""
    x1, y1, x2, y2 = face.boxes[0].tolist()
    x = (torch.arange(width) + 0.5 - (x1 + x2) / 2) / (0.6 * max(x2 - x1, 1))
    y = (torch.arange(height) + 0.5 - (y1 + y2) / 2) / (0.6 * max(y2 - y1, 1))
    return ((1.15 - torch.sqrt(x**2 + y[:, None] ** 2)) / 0.15).clamp(0, 1)
