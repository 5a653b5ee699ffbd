"""Turn a photographed head further to the side, as a surface whose depth its keypoints tell: profiles are few.

After face profiling: X. Zhu et al., Face Alignment Across Large Poses: A 3D Solution, CVPR 2016. The x axis runs to the
right, z to who looks; angles are radians. Needs SciPy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.interpolate import RBFInterpolator

MUZZLE = {"cat": (0.12, 0.2), "dog": (0.2, 0.4)}
"""How far the nose stands before the eyes, over the head's size; nine of ten dogs labelled in profile: 0.1 to 0.37."""
FORWARD = np.array([0, 0, 1, 0.45, 0.45, 0.93, 0.9, 0.72, 0.04])
"""How far each of the nine points stands before the eyes, over the muzzle's length."""
PIVOT = 0.15
"""How far behind the eyes the axis is that a head is turned about, over the head's size."""
FINER = 5
"""Samples of a pixel along a row."""


@dataclass(frozen=True)
class Turn:
    """About an upright axis at x = `middle`, z = `depth`, both in pixels."""

    angle: float
    middle: float
    depth: float

    def across(self, x, z):
        return self.middle + (x - self.middle) * math.cos(self.angle) + (z - self.depth) * math.sin(self.angle)

    def towards(self, x, z):
        return z * math.cos(self.angle) - (x - self.middle) * math.sin(self.angle)


def turn_head(rng, image: Image.Image, points: np.ndarray, box: np.ndarray, wanted: float, muzzle: tuple[float, float]):
    """`image` of an upright head turned until it looks `wanted` away from the camera, its points (9, 3) and box (4,).

    How far it looks away already is told by its nose, whose length is drawn from `muzzle`. A point that has come to lie
    behind something else has the score 0.
    """
    size = max(box[2:] - box[:2])
    off = (points[2, 0] - points[:2, 0].mean()) / size
    muzzle = max(abs(off) / 0.9, rng.uniform(*muzzle))
    yaw = math.asin(off / muzzle)
    depth = depth_of(points[:, :2], box, yaw, muzzle, image.size)
    turn = Turn(math.copysign(max(0, wanted - abs(yaw)), off), box[[0, 2]].mean(), -PIVOT * size)
    turned, nearest = draw_turned(image, depth, turn)

    column, row = (points[:, axis].clip(0, n - 1).astype(int) for axis, n in enumerate(image.size))
    z = depth[row, column]
    points = points.copy()
    points[:, 0], near = turn.across(points[:, 0], z), turn.towards(points[:, 0], z)
    for point, at in zip(points, near, strict=True):
        row, column = int(point[1].clip(0, image.height - 1)), int((2 * point[0]).clip(0, 2 * image.width - 1))
        point[2] *= nearest[row, max(0, column - 3) : column + 4].max() <= at + 0.04 * size
    box = turn_box(box, depth, turn)
    box[0], box[2] = min(box[0], points[:, 0].min()), max(box[2], points[:, 0].max())
    # it is narrower than before
    left, right = np.flatnonzero(np.isfinite(nearest).mean(0) > 0.7)[[0, -1]] // 2 + (1, 0)
    points[:, 0] -= left
    return turned.crop((left, 0, right, image.height)), points, box - (left, 0, left, 0)


def depth_of(points: np.ndarray, box: np.ndarray, yaw: float, muzzle: float, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) pixels of depth of a head of `points` (9, 2) turned by `yaw` in a picture of `shape` (W, H)."""
    size, middle, half = max(box[2:] - box[:2]), (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    eyes, nose = points[:2].mean(0), points[2]
    bridge = np.array([0.3, 0.65])
    known = np.concatenate([points, eyes + bridge[:, None] * (nose - eyes)])
    forward = muzzle * np.concatenate([FORWARD, bridge + 0.04])
    across = ((known[:, 0] - eyes[0]) / size - forward * math.sin(yaw)) / math.cos(yaw)
    depth = forward * math.cos(yaw) - across * math.sin(yaw)
    angles = np.arange(0, 2 * np.pi, np.pi / 6)
    for reach, behind in ((1.0, 0.25), (1.5, 0.35), (2.5, PIVOT), (4.0, PIVOT)):
        known = np.concatenate([known, middle + reach * half * np.stack([np.cos(angles), np.sin(angles)], 1)])
        depth = np.concatenate([depth, np.full(len(angles), -behind)])
    # so smooth a surface need be known at every fourth pixel only
    columns, rows = (np.arange(0, n + 4, 4) for n in shape)
    at = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    coarse = RBFInterpolator(known / size, depth, kernel="linear", smoothing=0.002)(at / size)
    coarse = Image.fromarray(coarse.reshape(len(rows), len(columns)).astype(np.float32))
    return size * np.asarray(coarse.resize((len(columns) * 4, len(rows) * 4), Image.BICUBIC))[: shape[1], : shape[0]]


def draw_turned(image: Image.Image, depth: np.ndarray, turn: Turn) -> tuple[Image.Image, np.ndarray]:
    """The turned picture, and how near (H, 2 W) what is seen is, drawn at twice the width; -inf is nothing."""
    width, height = image.size
    fine = Image.fromarray(depth).resize((width * FINER, height), Image.BILINEAR)
    pixels, z = np.asarray(image.resize((width * FINER, height), Image.BILINEAR)), np.asarray(fine)
    x = (np.arange(width * FINER) + 0.5) / FINER - 0.5
    column, near = np.round(2 * turn.across(x, z)).astype(int), turn.towards(x, z)
    row, sample = np.nonzero((column >= 0) & (column < 2 * width))
    order = np.argsort(near[row, sample], kind="stable")
    row, sample = row[order], sample[order]
    out, nearest = np.zeros((height, 2 * width, 3), np.uint8), np.full((height, 2 * width), -np.inf)
    out[row, column[row, sample]] = pixels[row, sample]
    nearest[row, column[row, sample]] = near[row, sample]
    # holes take what is next to them in their row
    place = np.arange(2 * width)
    before = np.maximum.accumulate(np.where(np.isinf(nearest), -(4 * width), place), 1)
    after = np.minimum.accumulate(np.where(np.isinf(nearest), 4 * width, place)[:, ::-1], 1)[:, ::-1]
    take = np.where(place - before <= after - place, before, after).clip(0, 2 * width - 1)
    out = np.take_along_axis(out, take[..., None], 1)
    return Image.fromarray(out).resize((width, height), Image.BOX), nearest


def turn_box(box: np.ndarray, depth: np.ndarray, turn: Turn) -> np.ndarray:
    """The box of what was inside the ellipse of `box`."""
    y, x = np.indices(depth.shape)
    across, down = (
        2 * (at - box[[axis, axis + 2]].mean()) / (box[axis + 2] - box[axis]) for axis, at in enumerate((x, y))
    )
    to = turn.across(x, depth)[across**2 + down**2 < 0.9]
    left, right = np.percentile(to, (0.5, 99.5))
    return np.array([left, box[1], right, box[3]])
