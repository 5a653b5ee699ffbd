"""Squares at any angle, cut out of a frame: what the networks look at, and the way between its pixels and the frame's.

A crop is (x, y of its centre, side, roll), pixels of the frame and radians; it spans [-1, 1] in crop units.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def crop_axes(crops: Tensor) -> Tensor:
    """(N, 2, 2) matrices that turn crop units into pixels."""
    half, roll = crops[:, 2] / 2, crops[:, 3]
    cos, sin = half * roll.cos(), half * roll.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def to_frame(points: Tensor, crops: Tensor) -> Tensor:
    """Crop units (N, K, 2) -> pixels of the frame."""
    return points @ crop_axes(crops).mT + crops[:, None, :2]


def to_crop(points: Tensor, crops: Tensor) -> Tensor:
    """Pixels of the frame (N, K, 2) -> crop units; the inverse of `to_frame`."""
    return (points - crops[:, None, :2]) @ crop_axes(crops) / (crops[:, 2, None, None] / 2).square()


def cut(images: Tensor, crops: Tensor, size: int) -> Tensor:
    """The pixels under each crop: (N, 3, H, W) float -> (N, 3, size, size); outside the image its border goes on."""
    height, width = images.shape[-2:]
    at = (torch.arange(size, device=images.device) + 0.5) * (2 / size) - 1
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).reshape(1, -1, 2).expand(len(crops), -1, -1)
    pixels = to_frame(grid, crops).unflatten(1, (size, size))
    normal = pixels * pixels.new_tensor([2 / width, 2 / height]) - 1
    return F.grid_sample(images, normal, padding_mode="border", align_corners=False)


def load_frame(pixels: np.ndarray, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 on `device`."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"a frame must be (height, width, 3) uint8 RGB, got {pixels.shape} {pixels.dtype}.")
    return torch.from_numpy(np.require(pixels, requirements="CW")).to(device)


def shrink(frame: Tensor, size: list[int]) -> Tensor:
    """(1, 3, h, w) float in [0, 1] of `frame` (H, W, 3) uint8 without aliasing."""
    image = frame.permute(2, 0, 1)[None]
    if size != list(frame.shape[:2]):
        if image.is_cuda:  # only the CPU resizes uint8
            image = image.float()
        image = F.interpolate(image, size=size, mode="bilinear", antialias=True, align_corners=False)
    return image.float() / 255


def cut_frame(frame: Tensor, crops: Tensor, size: int) -> Tensor:
    """The pixels (N, 3, size, size) under each crop of `frame` (H, W, 3) uint8, shrunk without aliasing."""
    height, width = frame.shape[:2]
    at = (torch.arange(size, dtype=crops.dtype, device=crops.device) + 0.5) * (2 / size) - 1
    grid = at.new_empty(1, size, size, 2)
    cuts = []
    for x, y, side, roll in crops.tolist():
        across, down = side / 2 * math.cos(roll), side / 2 * math.sin(roll)
        reach = abs(across) + abs(down) + 2
        left, right = (min(max(int(edge), 0), width - 1) for edge in (x - reach, x + reach))
        top, bottom = (min(max(int(edge), 0), height - 1) for edge in (y - reach, y + reach))
        region = frame[top : bottom + 1, left : right + 1]
        factor = min(1.0, size / side)
        image = shrink(region, [max(1, round(length * factor)) for length in region.shape[:2]])
        # in units in which the region spans [-1, 1], shrunk or not; four times as fast as affine_grid
        w, h = (right - left + 1) / 2, (bottom - top + 1) / 2
        torch.sub(at * (across / w) + ((x - left) / w - 1), (at * (down / w))[:, None], out=grid[0, ..., 0])
        torch.add(at * (down / h) + ((y - top) / h - 1), (at * (across / h))[:, None], out=grid[0, ..., 1])
        cuts.append(F.grid_sample(image, grid, padding_mode="border", align_corners=False))
    return torch.cat(cuts)
