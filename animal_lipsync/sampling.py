"""Reading float pictures (N, 3, H, W) between their pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def look_up(frames: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Colours (N, 3, h, w) of `frames` at (N, h, w) pixels."""
    height, width = frames.shape[2:]
    x, y = torch.broadcast_tensors(x, y)
    grid = torch.stack([2 * x / width - 1, 2 * y / height - 1], -1)
    return sample_grid(frames, grid, align_corners=False)


def sample_grid(frames: Tensor, grid: Tensor, *, align_corners: bool) -> Tensor:
    """`F.grid_sample` where one frame or one grid may stand for all."""
    count = max(len(frames), len(grid))
    frames, grid = frames.expand(count, -1, -1, -1), grid.expand(count, -1, -1, -1)
    return F.grid_sample(frames, grid, padding_mode="border", align_corners=align_corners)


def blur(pixels: Tensor, deviation: Tensor) -> Tensor:
    """Gaussian blur of (N, 3, h, w), one deviation (N, 1, 1) per frame or for all."""
    radius = max(1, int(torch.ceil(2 * deviation.max())))
    at = torch.arange(-radius, radius + 1, device=pixels.device)
    kernel = torch.exp(-(at**2) / (2 * deviation.reshape(-1, 1) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).expand(len(pixels), -1).repeat_interleave(3, 0)
    height, width = pixels.shape[2:]
    flat = F.pad(pixels.reshape(1, -1, height, width), (radius, radius, radius, radius), mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=len(kernel))
    return F.conv2d(flat, kernel[:, None, :, None], groups=len(kernel)).reshape(pixels.shape)
