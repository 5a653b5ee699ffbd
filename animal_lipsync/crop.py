"""Upright square crops round the mouth, their mask, and the way back into the frames: for any other sampler."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .rig import build_rig
from .types import FaceTrack


@dataclass(frozen=True, eq=False)
class MouthCrop:
    """Where the crops of N frames lie; one row of a still stands for all."""

    centre: np.ndarray
    """(N, 2) pixels of the frame."""
    across: np.ndarray
    """(N, 2) unit vector along the crop's rows, in the frame."""
    side: np.ndarray
    """(N,) pixels of the frame."""
    mouth: np.ndarray
    """(N, 4) x, y, half width and half height of the ellipse of mouth and jaw, in sides from the crop's centre."""
    visible: np.ndarray
    """(N,) bool; where it is False `stitch_mouth` leaves the frame alone."""
    size: int
    """Pixels of a crop's side."""
    tall: np.ndarray | float = 1.0
    """(N,) how many times as high as wide the part of the frame is that is squeezed into the crop."""

    def __len__(self) -> int:
        return len(self.side)

    def __getitem__(self, frames: slice | np.ndarray) -> MouthCrop:
        rows = (self.centre, self.across, self.side, self.mouth, self.visible)
        return MouthCrop(*(row[frames] for row in rows), self.size, np.broadcast_to(self.tall, len(self))[frames])

    @property
    def shape(self) -> np.ndarray:
        """(N, 2) width and height of what is cut, in sides."""
        return np.stack([np.ones(len(self)), np.broadcast_to(self.tall, len(self))], 1)

    def shifted(self, x: float, y: float) -> MouthCrop:
        """The same crops seen from frames whose origin lies at (x, y) of these."""
        return replace(self, centre=self.centre - (x, y))

    def to_crop(self, xy: np.ndarray) -> np.ndarray:
        """(N, K, 2) pixels of the frame -> pixels of the crop; the exact inverse of `to_frame`."""
        x, y = self.across[:, None, 0], self.across[:, None, 1]
        offset = (xy - self.centre[:, None]) * (self.size / self.side)[:, None, None]
        turned = np.stack([offset[..., 0] * x + offset[..., 1] * y, offset[..., 1] * x - offset[..., 0] * y], -1)
        return turned / self.shape[:, None] + self.size / 2

    def to_frame(self, xy: np.ndarray) -> np.ndarray:
        """(N, K, 2) pixels of the crop -> pixels of the frame."""
        x, y = self.across[:, None, 0], self.across[:, None, 1]
        offset = (xy - self.size / 2) * (self.side[:, None] * self.shape / self.size)[:, None]
        turned = np.stack([offset[..., 0] * x - offset[..., 1] * y, offset[..., 1] * x + offset[..., 0] * y], -1)
        return turned + self.centre[:, None]


def place_crop(face: FaceTrack, *, size: int = 512, margin: float = 1.6) -> MouthCrop:
    """Crops that hold nose, mouth and jaw, turned so that the jaw drops straight down.

    Args:
        size: pixels of the crops' side.
        margin: side of the crop in widths (or heights, if more) of the muzzle.
    """
    if size < 16:
        raise ValueError(f"size must be at least 16 pixels, got {size}.")
    if not 1.0 <= margin <= 6.0:
        raise ValueError(f"margin must lie between 1 and 6 muzzle widths, got {margin}.")
    rig = build_rig(face)
    side = margin * np.maximum(rig.left + rig.right, rig.nose + rig.gap + 1.6 * rig.jaw)
    middle = (rig.right - rig.left) / 2
    below = 0.35 * (rig.jaw + rig.gap)
    centre = rig.origin + middle[:, None] * rig.across + below[:, None] * rig.down
    top, bottom = -0.45 * rig.nose, 1.35 * rig.jaw + rig.gap
    mouth = [0 * side, (top + bottom) / 2 - below, 0.62 * (rig.left + rig.right), 0.62 * (bottom - top)]
    return MouthCrop(centre, rig.across, side, np.stack(mouth, 1) / side[:, None], face.visible, size)


def cut_mouth(frames: Tensor, crop: MouthCrop) -> Tensor:
    """(N, 3, H, W) float frames -> (N, 3, size, size) crops; beyond the frame its edge is repeated."""
    shrink = max(1, int(crop.side.min() / crop.size))
    reduced = F.avg_pool2d(frames, shrink, ceil_mode=True, count_include_pad=False) if shrink > 1 else frames
    # ceil_mode widens the last row and column of cells; the picture then spans this much of the reduced one
    half = np.array([reduced.shape[3], reduced.shape[2]]) * shrink / 2
    axes = np.stack([crop.across, np.stack([-crop.across[:, 1], crop.across[:, 0]], 1)], 2) * crop.shape[:, None]
    # from a pixel of the crop to one of the frame, both counted from -1 to 1
    places = np.concatenate([axes * (crop.side / 2)[:, None, None], (crop.centre - half)[..., None]], 2) / half[:, None]
    places = torch.as_tensor(places, dtype=frames.dtype, device=frames.device)
    grid = F.affine_grid(places, [len(crop), 1, crop.size, crop.size], align_corners=False)
    reduced = reduced.expand(len(crop), -1, -1, -1)
    return F.grid_sample(reduced, grid, padding_mode="border", align_corners=False)


def mouth_mask(crop: MouthCrop, *, feather: float = 0.25) -> Tensor:
    """(N, size, size) in [0, 1]: an ellipse over mouth and jaw.

    Args:
        feather: share of its radius over which it fades to 0.
    """
    at = (torch.arange(crop.size) + 0.5) / crop.size - 0.5
    x, y, half_width, half_height = torch.as_tensor(crop.mouth, dtype=torch.float32).T[..., None, None]
    distance = torch.sqrt(((at - x) / half_width) ** 2 + ((at[:, None] - y) / half_height) ** 2)
    t = ((1 - distance) / feather).clamp(0, 1)
    return t * t * (3 - 2 * t)


def stitch_mouth(frames: Tensor, crops: Tensor, masks: Tensor, crop: MouthCrop) -> Tensor:
    """Put edited crops back. Where the mask is 0 the frames keep every bit.

    Args:
        frames: (N, 3, H, W) float sRGB in [0, 1].
        crops: (N, 3, s, s), of any size s.
        masks: (N or 1, s', s') in [0, 1].

    Raises:
        ValueError: not one crop per frame.
    """
    if not len(frames) == len(crops) == len(crop) or len(masks) not in (1, len(crops)):
        raise ValueError(
            f"{len(frames)} frames, {len(crops)} crops and {len(masks)} masks do not match; "
            "stitch as many crops as Crop Mouth gave."
        )
    height, width = frames.shape[2:]
    out = frames.clone()
    corners = crop.to_frame(np.array([[[0, 0], [crop.size, 0], [0, crop.size], [crop.size, crop.size]]], np.float32))
    low, high = np.floor(corners.min(1)).astype(int), np.ceil(corners.max(1)).astype(int)
    for index in np.flatnonzero(crop.visible):
        (x1, y1), (x2, y2) = np.maximum(low[index], 0), np.minimum(high[index], (width, height))
        if x1 >= x2 or y1 >= y2:
            continue
        pixels = np.stack(np.meshgrid(np.arange(x1, x2) + 0.5, np.arange(y1, y2) + 0.5), -1)
        places = crop[index : index + 1].to_crop(pixels.reshape(1, -1, 2).astype(np.float32))
        grid = torch.as_tensor(2 * places / crop.size - 1, dtype=torch.float32, device=frames.device)
        grid = grid.reshape(1, y2 - y1, x2 - x1, 2)
        edited = F.grid_sample(crops[index : index + 1], grid, padding_mode="border", align_corners=False)[0]
        row = index if len(masks) > 1 else 0
        mask = F.grid_sample(masks[row][None, None].to(frames.device), grid, padding_mode="zeros", align_corners=False)[
            0
        ]
        part = frames[index, :, y1:y2, x1:x2]
        out[index, :, y1:y2, x1:x2] = torch.where(mask > 0, part + (edited - part) * mask, part)
    return out
