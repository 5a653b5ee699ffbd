"""Heads that show no face, as from behind: fur in the place of eyes, nose and mouth.

Fur is what stands round the face, smoothed into it, with the grain of another part of the picture's animal.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, shift
from scipy.spatial import ConvexHull

FINE = 0.02
"""What is grain, over the head's size."""


def hide_face(rng: np.random.Generator, image: Image.Image, points: np.ndarray, box: np.ndarray) -> Image.Image:
    """`image` without the face whose `points` (9, 2) it shows; the head's `box` (4,) is in pixels."""
    pixels, size = np.asarray(image, np.float32), max(box[2:] - box[:2])
    sigma = FINE * size
    mask = face_mask(image.size, points, rng.uniform(1.35, 1.6), size)
    smooth = fill(pixels, 1 - mask)
    grain = pixels - gaussian_filter(pixels, (sigma, sigma, 0))
    # from the chest, or where the picture ends above it, from the forehead
    low, high = rng.uniform(0.5, 0.8), rng.uniform(0.35, 0.6)
    below = np.array([points[:, 0].mean(), points[7, 1] + low * size])
    above = np.array([points[:, 0].mean(), points[:2, 1].mean() - high * size])
    source = below if below[1] + size / 2 < image.height else above
    right, down = (points.mean(0) - source).round()
    moved, taken = (shift(part, (down, right, 0), order=0, mode="reflect") for part in (grain, mask[..., None]))
    smooth += moved * (1 - taken)
    weight = gaussian_filter(mask, 2 * sigma)[..., None]
    return Image.fromarray((weight * smooth + (1 - weight) * pixels).clip(0, 255).astype(np.uint8))


def face_mask(size: tuple[int, int], points: np.ndarray, wider: float, head: float) -> np.ndarray:
    """(H, W) 1 on the face: the hull of its points, so much `wider` and 0.06 of the `head`'s size more."""
    middle = points.mean(0)
    away = points[ConvexHull(points).vertices] - middle
    away *= wider + 0.06 * head / np.linalg.norm(away, axis=1, keepdims=True).clip(1)
    image = Image.new("L", size)
    ImageDraw.Draw(image).polygon([tuple(p) for p in middle + away], fill=1)
    return np.asarray(image, np.float32)


def fill(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`pixels` (H, W, 3) where `known` (H, W), elsewhere what is round it, the nearer the finer."""
    filled, sigma = np.zeros_like(pixels), 2.0
    unknown = np.ones_like(known)
    while unknown.max() > 1e-3 and sigma < 200:
        weight = gaussian_filter(known, sigma)
        near = gaussian_filter(pixels * known[..., None], (sigma, sigma, 0)) / weight[..., None].clip(1e-6)
        share = unknown * np.clip(weight / 0.15, 0, 1)
        filled += share[..., None] * near
        unknown = unknown - share
        sigma *= 1.6
    return filled + unknown[..., None] * near
