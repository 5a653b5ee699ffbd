"""MuseTalk's own way with a face, its faults included, for comparing pictures with those of its scripts:

    InpaintEngine(networks, geometry=upstream_geometry(segments), match_colours=False)

draws what they do from features that are `like_upstream`. Their detectors and face parser, which know people alone, are
not here: boxes and segments come from whoever compares.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .crop import MouthCrop
from .lower_face import Geometry
from .musetalk import SIZE
from .types import FaceTrack

EXPAND = 1.5
"""Side of the square that is pasted, in the box's longer sides."""
BLUR = 0.05
"""Of that side: how wide the blur is."""
LOBES = 4
"""Of Lanczos' window, to each side."""


def upstream_geometry(segments: Tensor) -> Geometry:
    """For faces of which a parser sees jaw, cheeks and lips where (h, w) segments are 1; they span the faces' boxes."""
    return Geometry(place_box, cut_box, partial(soften, segments=segments))


def place_box(face: FaceTrack, *, drop: float = 0.0) -> MouthCrop:
    """The whole pixels of `face.boxes`, squeezed into a square whatever their shape and wherever the chin drops."""
    low, high = np.trunc(face.boxes).astype(float).reshape(-1, 2, 2).transpose(1, 0, 2)
    width, height = (high - low).T
    across, everything = (np.tile(row, (len(face), 1)) for row in ([1.0, 0.0], [0.0, 0.0, 0.5, 0.5]))
    return MouthCrop((low + high) / 2, across, width, everything, face.visible, SIZE, height / width)


def cut_box(frames: Tensor, crop: MouthCrop) -> Tensor:
    """(1, 3, H, W) -> (1, 3, 256, 256) by Lanczos, which lets fine detail of large faces alias."""
    (low,), (high,) = (crop.centre + sign * crop.side[:, None] * crop.shape / 2 for sign in (-1, 1))
    y, x = (_lanczos(low[i], high[i], frames.shape[3 - i]).to(frames) for i in (1, 0))
    return (y @ frames @ x.mT).clamp(0, 1)


def soften(crop: MouthCrop, *, segments: Tensor) -> Tensor:
    """(N, 256, 256) the lower half of the segments, blurred."""
    kept = F.interpolate(segments[None, None], (SIZE, SIZE), mode="bilinear", antialias=True)[0]
    rows, sides = np.arange(SIZE), crop.side[:, None] * crop.shape
    middle = SIZE * (sides[:, 1:] // 2) / sides[:, 1:]  # between two whole pixels of the frame
    kept = kept * torch.from_numpy((rows + 1 - middle).clip(0, 1)).to(kept)[..., None]
    square = 2 * np.trunc(EXPAND * (sides.max(1) // 2))
    reach = np.trunc(BLUR * square // 2 * 2) // 2  # pixels of the frame
    deviation = 0.3 * (reach - 1) + 0.8
    offsets = np.arange(-SIZE, SIZE + 1)

    def blur(axis: int) -> Tensor:
        """(N, 256, 256) weights along one axis; beyond the box there is nothing."""
        pixels = offsets * (sides[:, axis] / SIZE)[:, None]
        weights = np.exp(-0.5 * (pixels / deviation[:, None]) ** 2) * (np.abs(pixels) <= reach[:, None] + 0.5)
        weights /= weights.sum(1, keepdims=True)
        return torch.from_numpy(weights[:, rows[:, None] - rows + SIZE]).to(kept)

    return blur(1) @ kept @ blur(0).mT


def _lanczos(low: float, high: float, length: int) -> Tensor:
    """(256, length) weights that bring the pixels from `low` to `high` of so many to 256."""
    at = low + (np.arange(SIZE) + 0.5) * (high - low) / SIZE - 0.5
    taps = np.floor(at).astype(int)[:, None] + np.arange(1 - LOBES, LOBES + 1)
    away = at[:, None] - taps
    values = np.sinc(away) * np.sinc(away / LOBES)
    values /= values.sum(1, keepdims=True)
    weights = np.zeros((SIZE, length))
    inside = taps.clip(max(low, 0), min(high, length) - 1).astype(int)
    np.add.at(weights, (np.arange(SIZE)[:, None], inside), values)
    return torch.from_numpy(weights)
