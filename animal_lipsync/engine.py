"""The warp engine: frames, a face and a motion in, frames of a speaking animal out.

Runs on whatever device the frames are on. What lies outside `WarpEngine.region` is never read or changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .appearance import Appearance, measure_appearance
from .mouth import dentition_of, paint_mouth
from .rig import MouthRig, build_rig
from .types import FaceTrack, MouthMotion
from .warp import JawField, jaw_field, smoothstep

STRIDE = 4
"""Pixels between the nodes at which the bend is solved; between them it is interpolated."""
STILL = 1e-3
"""Pixels; a displacement below it leaves the pixel as it is, bit for bit."""


@dataclass(frozen=True)
class WarpEngine:
    """Opens the mouth by bending the picture. `MouthEngine` of frames and a `MouthMotion`."""

    def region(self, face: FaceTrack, motion: MouthMotion, width: int, height: int) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 of the part of a `width` x `height` frame that these frames may change; may be empty."""
        low, high = [], []
        for _, field in self._fields(build_rig(face), motion):
            bounds = field.extent()
            low.append(bounds[0].min(0))
            high.append(bounds[1].max(0))
        low, high = np.floor(np.min(low, 0)), np.ceil(np.max(high, 0))
        x1, y1 = (int(np.clip(value - 2, 0, limit)) for value, limit in zip(low, (width, height), strict=True))
        x2, y2 = (int(np.clip(value + 2, 0, limit)) for value, limit in zip(high, (width, height), strict=True))
        return x1, y1, max(x2, x1), max(y2, y1)

    @torch.no_grad()
    def __call__(self, frames: Tensor, face: FaceTrack, motion: MouthMotion) -> Tensor:
        """Frames in which the animal's mouth follows `motion`.

        Args:
            frames: (N, 3, H, W) float32 sRGB in [0, 1]; N = 1 is a still that stands for every frame.
            face: N frames in the same pixels; those not visible pass through untouched.
            motion: the frames to make; its length is N unless N is 1.

        Returns:
            (len(motion), 3, H, W). Where the motion is at rest and the mouth was shut, `frames` bit for bit.
        """
        if len(face) != len(frames) or len(frames) not in (1, len(motion)):
            raise ValueError(f"{len(frames)} frames, {len(face)} faces and {len(motion)} frames of motion do not match.")
        rig = build_rig(face)
        beak = rig.beak
        out = frames.expand(len(motion), -1, -1, -1).clone()
        seen = np.broadcast_to(face.visible, len(motion))
        for rows, field in self._fields(rig, motion, frames.device):
            rows = rows[seen[rows]]
            if not len(rows):
                continue
            if len(rows) < len(field.opening):
                field = jaw_field(_rows(rig, rows), motion[rows], is_side=field.is_side, device=frames.device)
            source = frames if len(frames) == 1 else frames[rows]
            out[rows] = _open(source, field, face.species, beak)
        return out

    def _fields(self, rig: MouthRig, motion: MouthMotion, device="cpu"):
        """Row numbers and the jaw field of the frames seen from the front, then of those seen from the side."""
        is_side = np.broadcast_to(rig.profile > 0.5, len(motion))
        for side in (False, True):
            rows = np.flatnonzero(is_side == side)
            if len(rows):
                yield rows, jaw_field(_rows(rig, rows), motion[rows], is_side=side, device=device)


def _rows(rig: MouthRig, rows: np.ndarray) -> MouthRig:
    return rig if len(rig.jaw) == 1 else rig[rows]


def _open(frames: Tensor, field: JawField, species: str, beak: bool) -> Tensor:
    """(N, 3, H, W) with every mouth opened as `field` says."""
    height, width = frames.shape[2:]
    nodes_y, nodes_x = (torch.arange(0, n + STRIDE, STRIDE, device=frames.device) + 0.5 for n in (height, width))
    x, y = nodes_x.reshape(1, 1, -1), nodes_y.reshape(1, -1, 1)
    (lower_x, lower_y), (upper_x, upper_y) = field.source_of(x, y)
    lower = torch.stack([lower_x - x, lower_y - y], 1)
    upper = torch.stack([upper_x - x, upper_y - y], 1)
    a, b = field.to_mouth(x, y)
    lip_up, lip_low = field.lips(a)
    bend = torch.where((b > (lip_up + lip_low) / 2)[:, None], lower, upper)

    move = _upsample(bend)[..., :height, :width]
    box = _mouth_box(field, height, width)
    if box is None:
        return _sample(frames, move)
    i, j = box[1] // STRIDE, box[0] // STRIDE
    k, l = -(-box[3] // STRIDE) + 1, -(-box[2] // STRIDE) + 1
    top, left = i * STRIDE, j * STRIDE
    near_low, near_up = _upsample(lower[..., i:k, j:l]), _upsample(upper[..., i:k, j:l])
    bottom, right = min(top + near_low.shape[2], height), min(left + near_low.shape[3], width)
    near_low, near_up = (part[..., : bottom - top, : right - left] for part in (near_low, near_up))

    ys = torch.arange(top, bottom, device=frames.device).reshape(1, -1, 1) + 0.5
    xs = torch.arange(left, right, device=frames.device).reshape(1, 1, -1) + 0.5
    a, b = field.to_mouth(xs, ys)
    lip_up, lip_low = field.lips(a)
    near = torch.where((b > (lip_up + lip_low) / 2)[:, None], near_low, near_up)
    if field.is_side:
        v = ((b - lip_up) / (lip_low - lip_up).clamp(min=1e-3)).clamp(0, 1)
        edge = field.front_edge(v)
        ahead_x, ahead_y = field.behind_front(a, b, edge)
        parted = (b > lip_up) & (b < lip_low) & (field.across_share(a) > edge)
        near = torch.where(parted[:, None], torch.stack([ahead_x - xs, ahead_y - ys], 1), near)
    move[..., top:bottom, left:right] = near
    out = _sample(frames, move)

    look = measure_appearance(_surroundings(frames, field), torch.cat([field.across_x, field.across_y], 1)[..., 0])
    colour, cover = _inside(frames, field, look, a, b, lip_up, lip_low, species, beak)
    part = out[..., top:bottom, left:right]
    out[..., top:bottom, left:right] = part + (colour - part) * cover[:, None]
    return out


def _inside(frames, field: JawField, look: Appearance, a, b, lip_up, lip_low, species, beak):
    """Colours and coverage of the mouth's inside at the pixels (a, b)."""
    gap = lip_low - lip_up
    size = field.length if field.is_side else field.half_width
    edge = 3 * look.softness  # a ramp this wide looks like a Gaussian of deviation `softness`
    cover = ((b - lip_up) / edge + 0.5).clamp(0, 1) - ((b - lip_low) / edge + 0.5).clamp(0, 1)
    v = (b - lip_up) / gap.clamp(min=1e-3)
    u = field.across_share(a)
    if field.is_side:
        cover = cover * ((field.front_edge(v.clamp(0, 1)) - u) * field.length / edge + 0.5).clamp(0, 1)
    else:
        u = u / field.narrow
    colour = paint_mouth(
        u,
        v,
        gap / size,
        light=look.light,
        slant=look.slant,
        dentition=dentition_of(species, beak=beak),
        is_side=field.is_side,
        beak=beak,
    )
    lip = _lip_colour(frames, field)
    near = torch.minimum(b - lip_up, (lip_low - b) * 0.8) / (0.055 * size)
    rim = smoothstep(1 - near) * 0.9
    colour = colour + (0.55 * lip - colour) * rim[:, None]
    colour = _blur(colour, look.softness)
    noise = torch.randn(colour.shape[2:], generator=torch.Generator().manual_seed(0)).to(colour.device)
    return (colour + noise * look.grain[:, None]).clamp(0, 1), cover


def _blur(pixels: Tensor, deviation: Tensor) -> Tensor:
    """Gaussian blur, one deviation (N, 1, 1) per frame."""
    radius = max(1, int(torch.ceil(2 * deviation.max())))
    at = torch.arange(-radius, radius + 1, device=pixels.device)
    kernel = torch.exp(-(at**2) / (2 * deviation.reshape(-1, 1) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).expand(len(pixels), -1).repeat_interleave(3, 0)
    height, width = pixels.shape[2:]
    flat = pixels.reshape(1, -1, height, width)
    flat = F.pad(flat, (radius, radius, radius, radius), mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=len(kernel))
    return F.conv2d(flat, kernel[:, None, :, None], groups=len(kernel)).reshape(pixels.shape)


def _lip_colour(frames: Tensor, field: JawField) -> Tensor:
    """(N, 3, 1, 1) the dark of the lip line."""
    share = torch.linspace(-0.8, 0.8, 33, device=frames.device).reshape(1, 1, -1)
    a = share * torch.where(share < 0, field.left, field.right)
    if field.is_side:
        a = (share + 1) / 2 * field.length
    x, y = field.to_frame(a, field.seam(a))
    height, width = frames.shape[2:]
    grid = torch.stack([2 * x / width - 1, 2 * y / height - 1], -1)[: len(frames)]
    line = F.grid_sample(frames, grid, padding_mode="border", align_corners=False)
    return line.sort(-1).values[..., :17].mean(-1, keepdim=True)


def _surroundings(frames: Tensor, field: JawField) -> Tensor:
    return frames[..., ::1, ::1]


def _mouth_box(field: JawField, height: int, width: int) -> tuple[int, int, int, int] | None:
    """x1, y1, x2, y2 of the pixels between the lips in any of the frames."""
    share = torch.linspace(-1, 1, 33, device=field.left.device).reshape(1, 1, -1)
    grown = 1 + field.stretch.clamp(min=0)
    a = share * torch.where(share < 0, field.left, field.right) * grown
    if field.is_side:
        a = (share + 1) / 2 * field.front * field.length
    edges = [field.to_frame(a, b) for b in field.lips(a)]
    x = torch.cat([edge[0] for edge in edges])
    y = torch.cat([edge[1] for edge in edges])
    x1, y1 = int(x.min()) - 6, int(y.min()) - 6
    x2, y2 = int(x.max()) + 7, int(y.max()) + 7
    x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _upsample(nodes: Tensor) -> Tensor:
    size = [(n - 1) * STRIDE + 1 for n in nodes.shape[2:]]
    return F.interpolate(nodes, size=size, mode="bilinear", align_corners=True)


def _sample(frames: Tensor, move: Tensor) -> Tensor:
    """Each pixel of the result from `move` (N, 2, H, W) pixels away; not moved, it is the pixel itself, bit for bit."""
    height, width = frames.shape[2:]
    base_x = torch.linspace(-1 + 1 / width, 1 - 1 / width, width, device=frames.device)
    base_y = torch.linspace(-1 + 1 / height, 1 - 1 / height, height, device=frames.device).reshape(-1, 1)
    grid = torch.empty_like(move)
    torch.add(base_x, move[:, 0], alpha=2 / width, out=grid[:, 0])
    torch.add(base_y, move[:, 1], alpha=2 / height, out=grid[:, 1])
    source = frames.expand(len(move), -1, -1, -1)
    bent = F.grid_sample(source, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
    moved = move.abs().amax(1, keepdim=True) > STILL
    return torch.where(moved, bent, source)
