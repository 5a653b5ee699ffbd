"""Paint the sample portrait, a red fox, and write its keypoints.

The head is a signed distance field, mirrored in x; one unit is about half its width. Eyes, nose and lips are painted on
its surface, the fur grows on it along a groom of anchor points.

    python dev/samples/draw_fox.py            # fox.jpg and fox.faces.json; needs numpy, numba, Pillow, scipy; 2 minutes
    python dev/samples/draw_fox.py --draft -o /tmp/fox.png
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numba import njit, vectorize
from painter import (
    Camera,
    Groom,
    Light,
    Surface,
    develop,
    linear,
    mix,
    near_segment,
    noise,
    noise_vector,
    paint_background,
    paint_fur,
    paint_strokes,
    ramp,
    smooth_min,
    smooth_step,
    trace,
    unit,
)
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))
from animal_lipsync.image import fingerprint, read_picture  # noqa: E402
from animal_lipsync.types import Faces  # noqa: E402

SIZE = 1024
SAMPLES = Path(__file__).parents[2] / "animal_lipsync" / "samples"
POSE = {"yaw": 4.0, "pitch": -2.0, "roll": 3.0, "target": (0.02, -0.12, 0.2), "span": 4.15}

# ---------------------------------------------------------------- anatomy

# Tapered capsules: start (x, y, z), radius, end (x, y, z), radius, softness of the blend with what comes before.
BONES = np.array([
    (0.00, 0.24, -0.35, 0.80, 0.00, 0.20, 0.00, 0.69, 0.20),  # cranium
    (0.30, 0.36, 0.18, 0.34, 0.42, 0.30, 0.10, 0.34, 0.20),  # brow
    (0.56, -0.10, -0.02, 0.42, 0.80, -0.44, -0.32, 0.46, 0.34),  # cheek
    (0.00, 0.08, 0.40, 0.37, 0.00, -0.30, 1.36, 0.21, 0.24),  # bridge
    (0.22, -0.26, 0.50, 0.34, 0.085, -0.43, 1.30, 0.195, 0.10),  # upper lip
    (0.10, -0.62, 0.20, 0.42, 0.00, -0.735, 1.12, 0.245, 0.06),  # lower jaw
    (0.00, -0.45, -0.70, 0.90, 0.00, -2.60, -0.70, 1.55, 0.40),  # neck
    (0.00, -1.40, -0.10, 0.40, 0.00, -2.80, 0.35, 0.80, 0.50),  # chest
    (1.15, -2.40, -0.60, 0.55, 1.50, -3.20, -0.60, 0.80, 0.50),  # shoulder
])
NOSE, NOSE_RADII = np.array((0.0, -0.285, 1.50)), np.array((0.195, 0.135, 0.13))
MOUTH_FRONT, MOUTH_BACK = 1.40, 0.52  # z of the lip seam under the nose and at the corners
# An eye and an ear each have a centre and a frame of rows: outwards, up, forwards.
EYE, EYE_HALF, EYE_BALL = np.array((0.415, 0.155, 0.50)), np.array((0.228, 0.162)), 0.215
EYE_FRAME = np.array(((0.931, 0.20, -0.305), (-0.19, 0.980, 0.062), (0.311, 0.0, 0.950)))
EAR, EAR_LENGTH, EAR_HALF = np.array((0.60, 0.72, -0.30)), 1.20, 0.43
EAR_FRAME = np.array(((0.92, -0.27, -0.28), (0.26, 0.96, -0.06), (0.29, -0.02, 0.955)))


@vectorize
def seam_height(x, z):
    """y of the lip seam: a shallow bow on each side of the philtrum, rising to the corners."""
    back = min(max((MOUTH_FRONT - z) / (MOUTH_FRONT - MOUTH_BACK), 0.0), 1.2)
    bow = math.exp(-(((abs(x) - 0.16) / 0.11) ** 2)) * smooth_step(0.5, 0.0, back)
    return -0.605 - 0.045 * bow + 0.13 * back**1.6


@njit
def ear_place(x, y, z):
    """Across the ear (-1 inner, 1 outer edge), along it (0 base, 1 tip), in front of its sheet; and its half width."""
    dx, dy, dz = abs(x) - EAR[0], y - EAR[1], z - EAR[2]
    out = EAR_FRAME[0, 0] * dx + EAR_FRAME[0, 1] * dy + EAR_FRAME[0, 2] * dz
    along = (EAR_FRAME[1, 0] * dx + EAR_FRAME[1, 1] * dy + EAR_FRAME[1, 2] * dz) / EAR_LENGTH
    front = EAR_FRAME[2, 0] * dx + EAR_FRAME[2, 1] * dy + EAR_FRAME[2, 2] * dz
    tip, base = min(max(along, 0.0), 1.0), min(max(along, -0.3), 0.0)
    half = max(EAR_HALF * (1.0 - tip) ** 0.72 * (1.0 + 0.25 * tip) * (1.0 + 2.0 * base), 0.02)
    across = out / half
    hollow = 0.30 * (1.0 - min(across * across, 1.5)) * (1.0 - 0.8 * tip)
    return across, along, front + hollow, half


@njit
def ear_distance(x, y, z):
    across, along, front, half = ear_place(x, y, z)
    sheet = max(abs(front) * 0.7 - 0.025, (abs(across) - 1.0) * half)
    return max(sheet, (along - 1.0) * EAR_LENGTH, (-0.25 - along) * EAR_LENGTH) * 0.6


@njit
def distance(x, y, z):
    """Distance to the skin, negative inside; never much too long, so rays can step by it."""
    x = abs(x)
    d = 1e9
    for i in range(BONES.shape[0]):
        b = BONES[i]
        ux, uy, uz = b[4] - b[0], b[5] - b[1], b[6] - b[2]
        vx, vy, vz = x - b[0], y - b[1], z - b[2]
        h = min(max((ux * vx + uy * vy + uz * vz) / (ux * ux + uy * uy + uz * uz), 0.0), 1.0)
        vx, vy, vz = vx - h * ux, vy - h * uy, vz - h * uz
        d = smooth_min(d, math.sqrt(vx * vx + vy * vy + vz * vz) - b[3] - h * (b[7] - b[3]), b[8])
    # eye: a socket pressed in, the ball set into it
    ex, ey, ez = x - EYE[0], y - EYE[1], z - EYE[2]
    d = -smooth_min(-d, math.sqrt((ex - 0.02) ** 2 + (ey + 0.02) ** 2 + (ez - 0.23) ** 2) - 0.20, 0.20)
    d = smooth_min(d, math.sqrt(ex * ex + ey * ey + ez * ez) - EYE_BALL, 0.05)
    # mouth and philtrum: creases
    depth = smooth_step(MOUTH_BACK - 0.05, MOUTH_BACK + 0.12, z)
    d += 0.035 * depth * math.exp(-(((y - seam_height(x, z)) / 0.028) ** 2))
    depth = smooth_step(-0.64, -0.58, y) * smooth_step(-0.34, -0.42, y) * smooth_step(1.2, 1.35, z)
    d += 0.025 * depth * math.exp(-((x / 0.022) ** 2))
    # nose: broader above, a groove in the middle, nostrils
    nx, ny, nz = (x - NOSE[0]) / NOSE_RADII[0], (y - NOSE[1]) / NOSE_RADII[1], (z - NOSE[2]) / NOSE_RADII[2]
    nx *= 1.0 + 0.28 * smooth_step(0.2, -1.0, ny)
    d = smooth_min(d, (math.sqrt(nx * nx + ny * ny + nz * nz) - 1.0) * 0.12, 0.03)
    cx, cy, cz = (x - 0.092) / 0.052, (y - NOSE[1] + 0.012 - 5.0 * (x - 0.092) ** 2) / 0.036, (z - 1.63) / 0.09
    d = -smooth_min(-d, (math.sqrt(cx * cx + cy * cy + cz * cz) - 1.0) * 0.03, 0.03)
    d += 0.008 * smooth_step(1.45, 1.58, z) * smooth_step(-0.16, -0.24, y) * math.exp(-((x / 0.014) ** 2)) * (y > -0.42)
    return smooth_min(d, ear_distance(x, y, z), 0.18)


@njit
def ear_places(points):
    out = np.empty((len(points), 3))
    for i in range(len(points)):
        out[i] = ear_place(points[i, 0], points[i, 1], points[i, 2])[:3]
    return out


def halved(points: np.ndarray) -> np.ndarray:
    """The same points folded onto the right half of the head."""
    return np.concatenate([np.abs(points[..., :1]), points[..., 1:]], axis=-1)


def ear_share(places: np.ndarray) -> np.ndarray:
    """1 on the ear, falling to 0 where it grows out of the head."""
    across, along, front = places.T
    return ramp(0.0, 0.18, along) * ramp(1.3, 1.1, np.abs(across)) * ramp(0.22, 0.14, np.abs(front))


def above_seam(points: np.ndarray) -> np.ndarray:
    """Height above the lip seam; away from the mouth, a large number."""
    return np.where(points[..., 2] > MOUTH_BACK, points[..., 1] - seam_height(points[..., 0], points[..., 2]), 9.0)


def lip_share(points: np.ndarray, width: float) -> np.ndarray:
    """1 on the dark skin along the seam of the mouth, `width` from its middle, narrower towards the corners."""
    width = width * (0.4 + 0.6 * ramp(MOUTH_BACK, MOUTH_BACK + 0.8, points[..., 2]))
    return ramp(width * 1.5, width * 0.5, np.abs(above_seam(points)))


def nose_share(points: np.ndarray) -> np.ndarray:
    """1 on the leather of the nose and down the philtrum."""
    gap = np.linalg.norm((points - NOSE) / NOSE_RADII, axis=-1)
    groove = near_segment(points[..., :2], (0.0, -0.36), (0.0, -0.60), 0.014) * (points[..., 2] > 1.3)
    return np.maximum(ramp(1.16, 1.06, gap), ramp(0.35, 0.6, groove))


# ---------------------------------------------------------------- colour

ORANGE, RUST, SAND = linear(198, 92, 38), linear(140, 52, 22), linear(218, 146, 94)
WHITE, CREAM, BLACK, BROWN = linear(228, 219, 206), linear(226, 204, 174), linear(28, 22, 20), linear(52, 28, 19)


def coat(points: np.ndarray) -> np.ndarray:
    """(N, 3) colour of the fur rooted at each of (N, 3) points."""
    half = halved(points)
    x, y, z = half.T
    wobble = noise(points, 3.0, 3) * 0.05 + noise(points, 14.0, 2) * 0.035

    colour = mix(np.broadcast_to(ORANGE, points.shape), RUST, 0.5 * ramp(-0.3, 0.9, noise(points, 2.2, 3)))
    colour = mix(colour, RUST, 0.55 * ramp(0.5, 0.1, x) * ramp(0.15, 0.9, y + wobble))
    colour = mix(colour, SAND, 0.65 * near_segment(half, (0.36, 0.42, 0.55), (0.66, 0.42, 0.3), 0.12))
    colour = mix(colour, SAND, 0.5 * ramp(0.45, 0.75, x) * ramp(0.3, -0.2, y))
    # white: sides of the muzzle, cheeks, throat, chest
    edge = np.interp(x, (0.0, 0.16, 0.30, 0.50, 0.75, 1.0, 1.25), (-0.42, -0.33, -0.16, -0.17, -0.26, -0.46, -0.9))
    edge = edge - 0.10 * ramp(0.9, 1.5, z) * ramp(0.1, 0.3, x)
    bib = np.interp(y, (-2.6, -1.7, -1.1, -0.8), (0.62, 0.66, 1.0, 1.5))
    colour = mix(colour, WHITE, ramp(0.06, -0.06, y - edge + wobble) * ramp(0.12, -0.12, x - bib + 2 * wobble))
    shade = ramp(0.9, 0.4, z) * ramp(-0.3, 0.8, noise(points, 4.5, 3)) * (y < edge)
    colour = mix(colour, linear(150, 136, 122), 0.45 * shade)
    # dark: the tear line, behind the eye, along the lips, the roots of the whiskers
    tear = near_segment(half[:, :2], (0.25, 0.09), (0.28, -0.15), 0.095) * ramp(0.5, 0.7, z)
    colour = mix(colour, BROWN, 1.1 * tear * (0.8 + 4.0 * wobble))
    colour = mix(colour, BROWN, 0.5 * near_segment(half, (0.62, 0.26, 0.3), (0.78, 0.32, 0.1), 0.06))
    colour = mix(colour, BROWN, 0.5 * np.exp(-((above_seam(points) / 0.020) ** 2)))
    for root in WHISKERS:
        colour = mix(colour, BROWN, 0.6 * near_segment(half[:, 1:], root[1:], root[1:] - (0, 0.03), 0.016) * (x > 0.1))
    # ears: dusky inside with cream at the inner edge, black at rim and tip
    places = ear_places(points)
    across, along, front = places.T
    ear = mix(np.broadcast_to(ORANGE, points.shape), BLACK, ramp(0.50, 0.80, along + 2 * wobble))
    inner = mix(np.broadcast_to(CREAM, points.shape), linear(128, 96, 78), 0.75 * ramp(-1.0, 0.8, across + 3 * wobble))
    ear = mix(ear, inner, ramp(-0.005, 0.02, front) * ramp(1.0, 0.82, np.abs(across)) * ramp(1.0, 0.7, along))
    ear = mix(ear, BLACK, 0.9 * ramp(0.80, 0.95, np.abs(across)) * ramp(0.1, 0.4, along))
    return mix(colour, ear, ear_share(places))


# ---------------------------------------------------------------- fur

# Anchor point, direction, length, lift.
ANCHORS = np.array([
    (0.00, -0.12, 1.40, 0.10, 0.25, -1.0, 0.055, 0.10),  # bridge
    (0.00, 0.08, 0.95, 0.10, 0.40, -1.0, 0.08, 0.12),
    (0.00, 0.30, 0.66, 0.15, 1.00, -0.6, 0.11, 0.15),
    (0.00, 0.70, 0.40, 0.12, 1.00, -0.6, 0.19, 0.3),  # forehead
    (0.25, 1.00, -0.10, 0.20, 0.90, -0.8, 0.20, 0.3),
    (0.50, 0.62, 0.25, 0.55, 0.90, -0.4, 0.22, 0.45),
    (0.40, 0.36, 0.52, 0.60, 0.90, -0.3, 0.09, 0.15),  # brow
    (0.24, 0.02, 0.80, 0.45, -0.20, -1.0, 0.06, 0.10),
    (0.42, -0.04, 0.60, 1.00, -0.15, -0.8, 0.09, 0.12),  # under the eye
    (0.72, 0.20, 0.15, 1.00, 0.35, -0.5, 0.20, 0.35),
    (0.62, -0.22, 0.30, 1.00, -0.25, -0.7, 0.22, 0.2),  # cheek
    (0.92, -0.20, -0.20, 1.00, -0.25, -0.3, 0.42, 0.45),
    (1.00, -0.55, -0.25, 1.00, -0.55, -0.2, 0.66, 0.55),  # ruff
    (0.75, -0.85, -0.10, 0.85, -1.00, -0.1, 0.56, 0.45),
    (0.40, -0.80, 0.20, 0.60, -0.90, -0.2, 0.30, 0.25),
    (0.28, -0.25, 1.00, 0.45, -0.20, -1.0, 0.065, 0.10),  # muzzle
    (0.14, -0.48, 1.50, 0.80, -0.35, -0.8, 0.045, 0.12),
    (0.36, -0.42, 0.95, 0.50, -0.25, -1.0, 0.075, 0.12),
    (0.48, -0.42, 0.60, 0.80, -0.40, -0.9, 0.13, 0.15),
    (0.00, -0.76, 1.34, 0.10, -1.00, 0.1, 0.05, 0.12),  # lower jaw
    (0.18, -0.74, 1.15, 0.40, -0.75, -0.7, 0.06, 0.12),
    (0.32, -0.70, 0.80, 0.50, -0.60, -0.8, 0.11, 0.15),
    (0.00, -0.98, 1.00, 0.10, -0.80, -0.8, 0.09, 0.15),
    (0.00, -1.05, 0.50, 0.30, -1.00, 0.0, 0.24, 0.3),  # throat
    (0.00, -1.60, 0.50, 0.10, -1.00, 0.2, 0.45, 0.4),
    (0.35, -2.20, 0.80, 0.20, -1.00, 0.2, 0.55, 0.4),  # chest
    (0.95, -1.60, 0.10, 0.45, -1.00, 0.1, 0.50, 0.4),
    (1.50, -2.40, -0.20, 0.60, -1.00, 0.0, 0.42, 0.3),
])
WHISKERS = np.array([
    (0.17, -0.42, 1.42), (0.22, -0.41, 1.32), (0.27, -0.40, 1.20), (0.31, -0.39, 1.08),
    (0.18, -0.48, 1.41), (0.24, -0.475, 1.30), (0.29, -0.465, 1.17), (0.33, -0.45, 1.04),
    (0.18, -0.54, 1.38), (0.25, -0.535, 1.26), (0.30, -0.525, 1.12),
])


def groom(points: np.ndarray) -> Groom:
    """Hair between the anchors blends what they say; the ears go their own way."""
    half = halved(points)
    weight = 1.0 / (((half[:, None] - ANCHORS[None, :, :3]) ** 2).sum(-1) + 0.004) ** 2.5
    blend = weight / weight.sum(1, keepdims=True) @ np.column_stack([unit(ANCHORS[:, 3:6]), ANCHORS[:, 6:]])
    direction, length, lift = blend[:, :3], blend[:, 3], blend[:, 4]
    direction[:, 0] *= ramp(0.0, 0.12, half[:, 0])  # no parting along the middle

    places = ear_places(points)
    across, along, front = places.T
    inside = ramp(-0.03, 0.0, front) * ramp(1.0, 0.85, np.abs(across))
    aside = inside * (0.05 + 0.80 * ramp(0.9, -0.9, across)) + (1 - inside) * 0.25 * np.sign(across)
    ear_direction = EAR_FRAME[1] + aside[:, None] * EAR_FRAME[0] + 0.25 * inside[:, None] * EAR_FRAME[2]
    ear = ear_share(places)
    direction = direction + ear[:, None] * (ear_direction - direction)
    length = length + ear * (0.10 + inside * (0.06 + 0.30 * ramp(0.9, -0.9, across) * (1 - along)) - length)
    lift = lift + ear * (0.12 + 0.23 * inside - lift)
    direction[:, 0] *= np.sign(points[:, 0])
    bare = (nose_share(points) > 0.5) | (lip_share(points, 0.010) > 0.5) | (past_lids(*eye_places(points)) < 0.15)
    return Groom(direction, length, lift, bare)


def paint_whiskers(canvas, rng, camera: Camera) -> None:
    s = np.linspace(0, 1, 24)[:, None]
    for side in (-1, 1):
        for root in WHISKERS:
            length = rng.uniform(0.75, 1.15)
            start = on_skin((0.0, root[1], root[2]), (1, 0, 0)) * (side, 1, 1)
            way = unit(np.array((side * 1.0, rng.uniform(0.06, 0.26) + 0.4 * (root[1] + 0.5), rng.uniform(0.0, 0.35))))
            hair = start + length * (s * way + s**2 * np.array((0, -0.18, -0.35)))
            seen = camera.project(hair)[None]
            widths = 0.0085 * camera.focal / seen[..., 2] * (1 - s[:, 0]) ** 0.8 * np.minimum(1, 0.4 + 6 * s[:, 0])
            ink = mix(np.broadcast_to(linear(30, 24, 22), (24, 3)), linear(120, 104, 92), 0.7 * s[:, 0])
            paint_strokes(canvas, seen[..., :2].copy(), ink[None], widths, np.full(1, 0.85))


# ---------------------------------------------------------------- skin, nose, eyes, lips


def paint_skin(surface: Surface, light: Light) -> np.ndarray:
    """(N, 3) what lies under the fur, and the wet leather of the nose."""
    points, normal, lit, sky = surface.position, surface.normal, surface.lit, surface.sky
    skin = coat(points) * 0.5 * light.on(normal, lit, sky)
    skin = mix(skin, linear(30, 21, 20) * light.on(normal, lit, sky), lip_share(points, 0.010))

    pebbles = noise(points, 80.0) * 0.6 + noise(points, 46.0) * 0.5
    bumpy = unit(normal + 0.26 * noise_vector(points, 62.0))
    gloss = np.clip(bumpy @ light.half, 0, 1)
    x, y = np.abs(points[:, 0]), points[:, 1] - NOSE[1]
    nostril = np.maximum(
        ramp(1.25, 0.75, np.hypot((x - 0.09) / 0.047, (y + 0.010 - 5.0 * (x - 0.09) ** 2) / 0.031)),
        ramp(0.3, 0.7, near_segment(np.stack([x, y], -1), (0.110, -0.01), (0.160, -0.045), 0.020)),
    )
    nose = (linear(46, 38, 38) * (1 + 0.4 * pebbles)[:, None]) * light.on(bumpy, lit, sky**2)
    nose += ((0.16 * gloss**8 + 0.50 * gloss**55) * (0.3 + 0.7 * lit) * sky**2)[:, None] * (0.95, 0.98, 1.0)
    nose *= (1 - 0.93 * nostril)[:, None]
    return mix(skin, nose, nose_share(points))


def paint_lips(canvas: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 3) the line of the mouth laid over the fur, so that it never breaks."""
    canvas = canvas * (1 - 0.45 * lip_share(points, 0.022))[:, None]
    return mix(canvas, linear(34, 22, 20) * 0.5, 0.85 * lip_share(points, 0.008))


def eye_places(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outwards and up from the centre of the eye, in units of its half opening; outwards is 9 far from an eye."""
    local = (halved(points) - EYE) @ EYE_FRAME.T
    far = np.linalg.norm(local, axis=-1) > 0.4
    return np.where(far, 9.0, local[..., 0] / EYE_HALF[0]), local[..., 1] / EYE_HALF[1]


def lid_height(u: np.ndarray) -> np.ndarray:
    """v of the edge of the upper lid."""
    t = np.abs(u)
    return 0.82 * np.sign(1 - t) * np.abs(1 - t**2.1) ** 0.85 * (1 - 0.10 * u)


def past_lids(u, v) -> np.ndarray:
    """Distance past the edge of the lids, in half openings; negative on the eyeball."""
    t = np.abs(u)
    lower = -0.66 * np.sign(1 - t) * np.abs(1 - t**2.2) ** 0.9 * (1 + 0.18 * u)
    lower = lower - 0.18 * ramp(-0.7, -1.1, u) * ramp(-1.4, -1.0, u)
    return np.maximum(v - lid_height(u), lower - v)


def paint_eyes(canvas: np.ndarray, points: np.ndarray, camera: Camera) -> np.ndarray:
    """(N, 3) amber irises that look into the lens, lids, highlights."""
    u, v = eye_places(points)
    side = np.sign(points[:, 0])
    edge = past_lids(u, v)
    # where the line from the ball's centre to the lens leaves the ball, a little less: both eyes keep some white
    turn = [0.8 * EYE_BALL * EYE_FRAME[:2] @ (camera.forward * (way, 1, 1)) for way in (-1, 1)]
    turn = np.where(side[:, None] > 0, turn[1], turn[0])
    x, y = side * (u * EYE_HALF[0] - turn[:, 0]), v * EYE_HALF[1] - turn[:, 1]
    radius, angle = np.hypot(x, y) / 0.168, np.arctan2(y, x)

    ring = np.stack([np.cos(angle) * 9, np.sin(angle) * 9 + 50 * side, radius * 1.5], axis=-1)
    fibre = noise(ring, 1.0, 3) * 0.5 + noise(ring * (3.0, 3.0, 0.6), 1.0) * 0.4
    across_light = (0.6 * x - 0.8 * y) / 0.168  # the far side of a lens glows
    iris = mix(np.broadcast_to(linear(150, 70, 14), points.shape), linear(226, 146, 44), ramp(-0.7, 0.9, across_light))
    iris = iris * (0.95 + 0.45 * fibre)[:, None]
    iris = mix(iris, linear(250, 196, 92), 0.45 * ramp(0.75, 0.4, radius) * (0.6 + 0.6 * fibre))
    iris = mix(iris, linear(40, 20, 10), 0.9 * ramp(0.74, 1.0, radius))
    ball = mix(iris, linear(52, 34, 26), ramp(0.98, 1.03, radius))
    ball = mix(linear(8, 7, 9) * np.ones_like(ball), ball, ramp(0.90, 1.10, np.hypot(x / 0.072, y / 0.090)))
    shadow = np.maximum(0.66 * ramp(-0.6, 0.0, v - lid_height(u)), 0.5 * ramp(-0.25, 0.0, edge))
    ball = ball * (1 - shadow)[:, None]
    sky = 0.012 * ramp(0.0, 0.11, y - 0.2 * x) * ramp(1.0, 0.8, radius)
    window = ramp(1.25, 0.65, np.hypot((x + 0.046 + 0.2 * y) / 0.030, (y - 0.046) / 0.026))
    spark = ramp(1.2, 0.2, np.hypot((x - 0.055) / 0.020, (y + 0.058) / 0.014))
    ball = ball + sky[:, None] * (0.5, 0.75, 1.0) + (1.1 * window + 0.25 * spark)[:, None] * (1.0, 0.99, 0.95)

    wet = ramp(0.07, 0.0, np.abs(edge - 0.03)) * ramp(0.2, -0.4, v)
    rim = linear(26, 19, 18) * (1 + 5 * wet)[:, None]
    liner = 0.14 + 0.10 * ramp(0.0, 0.3, v) + 0.10 * ramp(-0.5, -1.0, u)  # heavier above and at the inner corner
    return mix(canvas, mix(rim, ball, ramp(0.02, -0.05, edge)), ramp(0.07, -0.07, edge - liner))


# ---------------------------------------------------------------- keypoints


def on_skin(start, way) -> np.ndarray:
    """The first point of the skin from `start`, inside the head, along `way`."""
    point, way = np.array(start, float), np.array(way, float)
    while distance(*point) < 0:
        point += 0.002 * way
    return point


def visible_corner(camera: Camera, surface: Surface, side: int) -> np.ndarray:
    """Where the lip seam goes out of sight: the corner of the mouth, or the turn of the muzzle that hides it."""
    for z in np.arange(MOUTH_BACK + 0.06, MOUTH_FRONT, 0.01):
        point = on_skin((0, seam_height(0.4, z), z), (side, 0, 0))
        x, y, _ = camera.project(point).astype(int)
        around = surface.position[y - 2 : y + 3, x - 2 : x + 3]
        if np.nanmin(np.linalg.norm(around - point, axis=-1)) < 0.06:
            return point
    raise ValueError("POSE hides the mouth")


def keypoints(camera: Camera, surface: Surface) -> np.ndarray:
    """(9, 3) `animal9` points: x and y in pixels of a picture of SIZE, score 1."""
    u, v = eye_places(surface.position)
    eye = past_lids(u, v) < 0
    eyes = [surface.position[eye & (np.sign(surface.position[..., 0]) == way)].mean(0) for way in (-1, 1)]
    corners = [visible_corner(camera, surface, way) for way in (-1, 1)]
    lip = on_skin((0, seam_height(0.0, MOUTH_FRONT), 1.0), (0, 0, 1))
    jaw = [on_skin((0, -0.72, 1.12), (0, -math.sin(a), math.cos(a))) for a in np.radians(np.arange(0, 95, 5))]
    chin = max(jaw, key=lambda point: camera.project(point)[1])
    brow = on_skin((0, EYE[1] + 0.11, 0), (0, 0, 1))
    points = np.array([*eyes, on_skin(NOSE, (0, 0, 1)), *corners, lip, lip, chin, brow])
    return np.column_stack([camera.project(points)[:, :2] * SIZE / camera.size, np.ones(9)])


def faces_json(camera: Camera, surface: Surface) -> str:
    """FACES.json of the portrait; the box holds the head from the tips of the ears to the chin."""
    points = keypoints(camera, surface)
    head = np.argwhere(surface.position[..., 1] > -1.0) * SIZE / camera.size
    (top, left), (_, right) = head.min(0), head.max(0)
    face = {
        "id": 0,
        "species": "fox",
        "score": 1.0,
        "schema": "animal9",
        "frames": [0],
        "boxes": [np.round([left, top, right, points[7, 1]], 1).tolist()],
        "keypoints": [np.round(points, 2).tolist()],
    }
    source = {"width": SIZE, "height": SIZE, "frame_rate": "0", "frames": 1}
    return json.dumps({"version": 1, "source": source, "faces": [face]}) + "\n"


def paint_portrait(canvas: np.ndarray, rng, pose: dict, hair_count: int) -> str:
    """Paint the fox over `canvas` (size, size, 3); its FACES.json."""
    size = len(canvas)
    camera, coarse = Camera(size, **pose), Camera(size // 2, **pose)
    light = Light(camera)
    surface = trace(distance, coarse, light)
    fine = surface.enlarged(2)
    solid = np.isfinite(fine.lit)
    flat = fine[solid]

    canvas[solid] = paint_eyes(paint_skin(flat, light), flat.position, camera)
    keep_off = np.zeros(solid.shape, bool)
    keep_off[solid] = (past_lids(*eye_places(flat.position)) < 0.03) | (nose_share(flat.position) > 0.8)
    paint_fur(canvas, rng, surface, camera, light, groom, coat, keep_off, count=hair_count)
    canvas[solid] = paint_lips(canvas[solid], flat.position)
    paint_whiskers(canvas, rng, camera)
    return faces_json(coarse, surface)


def draw(canvas_size: int, hair_count: int) -> tuple[Image.Image, str]:
    """The portrait and its FACES.json."""
    rng = np.random.default_rng(7)
    canvas = paint_background(canvas_size, rng)
    faces = paint_portrait(canvas, rng, POSE, hair_count)
    return develop(canvas, rng, min(SIZE, canvas_size)), faces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=SAMPLES / "fox.jpg")
    parser.add_argument("--draft", action="store_true", help="coarser, with fewer hairs")
    arguments = parser.parse_args()
    picture, faces = draw(*((1024, 250_000) if arguments.draft else (2048, 900_000)))
    picture.save(arguments.output, quality=92)
    faces = replace(Faces.from_json(faces), picture=fingerprint(read_picture(arguments.output)))
    arguments.output.with_suffix(".faces.json").write_text(faces.to_json() + "\n")


if __name__ == "__main__":
    main()
