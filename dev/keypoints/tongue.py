"""Paint a tongue that hangs out of a photographed mouth: what is below it is the chin all the same."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FINER = 3
"""It is painted at so many times the picture's size."""
ALONG, ACROSS = 48, 14
"""Patches of one colour."""


def hang_tongue(rng: np.random.Generator, image: Image.Image, points: np.ndarray, size: float):
    """`image` with a tongue from between the lips down, and `points` (9, 3), those it covers with a score of 0.5.

    Args:
        points: `animal9`, pixels.
        size: of the head's box.
    """
    left, right, upper, lower, chin = points[[3, 4, 5, 6, 7], :2]
    face_down = (chin - upper) / max(1.0, np.linalg.norm(chin - upper))
    lean, width = math.radians(rng.normal(0, 14)), np.linalg.norm(right - left)
    down = face_down + (0, rng.uniform(0, 0.8))
    down = np.array([[math.cos(lean), -math.sin(lean)], [math.sin(lean), math.cos(lean)]]) @ down / np.linalg.norm(down)
    wide = min(width * rng.uniform(0.3, 0.6), 0.22 * size) / 2
    root = upper + 0.35 * (lower - upper) + rng.normal(0, 0.1) * (right - left)
    tip = lower + rng.uniform(0.06, 0.4) * size * down
    bend = (root + tip) / 2 + rng.normal(0, 0.06) * size * np.array([-down[1], down[0]])
    s = np.linspace(0, 1, ALONG + 1)[:, None]
    middle = (1 - s) ** 2 * root + 2 * s * (1 - s) * bend + s**2 * tip
    heading = np.gradient(middle, axis=0)
    side = np.stack([-heading[:, 1], heading[:, 0]], 1) / np.linalg.norm(heading, axis=1, keepdims=True).clip(1e-6)
    half = wide * (0.8 + 0.2 * np.sin(math.pi * s)) * np.sqrt(1 - ((s - 0.7) / 0.3).clip(0, 1) ** 2)
    u = np.linspace(-1, 1, ACROSS + 1)
    grid = middle[:, None] + side[:, None] * (half * u)[..., None]

    colour = np.array([rng.uniform(185, 235), rng.uniform(85, 140), rng.uniform(95, 150)])
    seen = np.asarray(image.convert("L"), np.float32)
    colour *= np.clip(seen.mean() / 120, 0.55, 1.2)
    u, groove = (u[:-1] + u[1:]) / 2, rng.uniform(0.05, 0.3)
    shade = (1 - rng.uniform(0.15, 0.4) * u**2 - groove * np.exp(-((u / 0.15) ** 2)))[None]
    shade = shade * (0.5 + 0.5 * (s[:-1] / 0.3).clip(0, 1)) * rng.normal(1, 0.03, (ALONG, ACROSS))
    large = tuple(FINER * n for n in image.size)
    paint, mask = Image.new("RGB", large), Image.new("L", large)
    for i in range(ALONG):
        for k in range(ACROSS):
            corners = grid[[i, i, i + 1, i + 1], [k, k + 1, k + 1, k]] * FINER
            corners = [tuple(corner) for corner in corners]
            ImageDraw.Draw(paint).polygon(corners, fill=tuple(int(v) for v in (colour * shade[i, k]).clip(0, 255)))
            ImageDraw.Draw(mask).polygon(corners, fill=255)
    mask = mask.resize(image.size, Image.BOX)
    soft = ImageFilter.GaussianBlur(float(max(0.5, 0.012 * size)))
    shadow = Image.fromarray((np.asarray(mask.filter(soft)) * rng.uniform(0.2, 0.6)).astype(np.uint8))
    result = image.copy()
    result.paste((0, 0, 0), (0, max(1, round(0.015 * size))), shadow)
    result.paste(paint.resize(image.size, Image.BOX).filter(ImageFilter.GaussianBlur(0.6)), (0, 0), mask)
    points, covered = points.copy(), np.asarray(mask)
    for k in (6, 7):
        x, y = (int(np.clip(v, 0, n - 1)) for v, n in zip(points[k, :2], image.size, strict=True))
        if covered[y, x] > 128:
            points[k, 2] = min(points[k, 2], 0.5)
    return result, points
