"""Paint the sample portrait: a red fox, and its keypoints.

The head is a signed distance field that is lit like an object, then covered with some hundred thousand hairs that grow
in three dimensions along a groomed direction field; eyes, nose and lips are painted on its surface. One unit is about
half the width of the head; x points to the viewer's right, y up, z out of the picture along the muzzle.

    python dev/samples/draw_fox.py            # writes fox.jpg and fox.faces.json; needs numpy, numba, Pillow, scipy
    python dev/samples/draw_fox.py --draft -o /tmp/fox.png
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
from numba import njit, prange
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

SIZE = 1024
SAMPLES = Path(__file__).parents[2] / "animal_lipsync" / "samples"

# ---------------------------------------------------------------- anatomy

# Tapered capsules, mirrored in x: start (x, y, z), radius, end (x, y, z), radius, softness of the blend.
BONES = np.array([
    (0.00, 0.30, -0.35, 0.80, 0.00, 0.18, 0.00, 0.66, 0.20),  # cranium
    (0.30, 0.36, 0.18, 0.34, 0.42, 0.30, 0.10, 0.34, 0.20),  # brow
    (0.56, -0.10, -0.02, 0.42, 0.80, -0.44, -0.32, 0.46, 0.34),  # cheek
    (0.00, 0.10, 0.40, 0.42, 0.00, -0.30, 1.36, 0.21, 0.24),  # bridge
    (0.22, -0.26, 0.50, 0.34, 0.085, -0.43, 1.30, 0.195, 0.10),  # upper lip
    (0.10, -0.62, 0.20, 0.42, 0.00, -0.735, 1.12, 0.245, 0.06),  # lower jaw
    (0.00, -0.45, -0.70, 0.90, 0.00, -2.60, -0.70, 1.55, 0.40),  # neck
    (0.00, -1.40, -0.10, 0.40, 0.00, -2.80, 0.35, 0.80, 0.50),  # chest
    (1.15, -2.40, -0.60, 0.55, 1.50, -3.20, -0.60, 0.80, 0.50),  # shoulder
])
NOSE = np.array((0.0, -0.285, 1.50))
NOSE_RADII = np.array((0.195, 0.135, 0.13))
EYE = np.array((0.405, 0.155, 0.50))
EYE_FRAME = np.array(((0.92, 0.25, -0.302), (-0.24, 0.968, 0.07), (0.31, 0.0, 0.951)))  # rows: outwards, up, forwards
EYE_HALF = np.array((0.215, 0.150))
EAR_BASE = np.array((0.60, 0.72, -0.30))
EAR_FRAME = np.array(((0.92, -0.27, -0.28), (0.26, 0.96, -0.06), (0.29, -0.02, 0.955)))  # rows: outwards, up, forwards
EAR_LENGTH, EAR_HALF = 1.20, 0.43
MOUTH_FRONT, MOUTH_BACK = 1.40, 0.52  # z of the lip seam under the nose and at the corners


@njit(inline="always")
def smooth_min(a, b, k):
    h = max(k - abs(a - b), 0.0) / k
    return min(a, b) - h * h * k * 0.25


@njit(inline="always")
def smooth_step(low, high, value):
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@njit(inline="always")
def seam_height(x, z):
    """y of the lip seam: a shallow bow on each side of the philtrum, rising to the corners."""
    back = min(max((MOUTH_FRONT - z) / (MOUTH_FRONT - MOUTH_BACK), 0.0), 1.2)
    bow = math.exp(-(((x - 0.16) / 0.11) ** 2)) * smooth_step(0.5, 0.0, back)
    return -0.605 - 0.045 * bow + 0.13 * back**1.6


@njit
def ear_distance(x, y, z):
    dx, dy, dz = x - EAR_BASE[0], y - EAR_BASE[1], z - EAR_BASE[2]
    side = EAR_FRAME[0, 0] * dx + EAR_FRAME[0, 1] * dy + EAR_FRAME[0, 2] * dz
    up = (EAR_FRAME[1, 0] * dx + EAR_FRAME[1, 1] * dy + EAR_FRAME[1, 2] * dz) / EAR_LENGTH
    front = EAR_FRAME[2, 0] * dx + EAR_FRAME[2, 1] * dy + EAR_FRAME[2, 2] * dz
    t = min(max(up, -0.3), 1.0)
    half = EAR_HALF * (1.0 - max(t, 0.0)) ** 0.72 * (1.0 + 0.25 * max(t, 0.0)) * (1.0 + 2.0 * min(t, 0.0))
    across = side / max(half, 0.02)
    sheet = -0.30 * (1.0 - min(across * across, 1.5)) * (1.0 - 0.8 * max(t, 0.0))
    shell = max(abs(front - sheet) * 0.7 - 0.025, abs(side) - half)
    return max(max(shell, (up - 1.0) * EAR_LENGTH), (-0.25 - up) * EAR_LENGTH) * 0.6


@njit
def distance(x, y, z):
    x = abs(x)
    d = 1e9
    for i in range(BONES.shape[0]):
        b = BONES[i]
        ux, uy, uz = b[4] - b[0], b[5] - b[1], b[6] - b[2]
        vx, vy, vz = x - b[0], y - b[1], z - b[2]
        h = min(max((ux * vx + uy * vy + uz * vz) / (ux * ux + uy * uy + uz * uz), 0.0), 1.0)
        vx, vy, vz = vx - h * ux, vy - h * uy, vz - h * uz
        d = smooth_min(d, math.sqrt(vx * vx + vy * vy + vz * vz) - b[3] - h * (b[7] - b[3]), b[8])
    # the eye: a socket pressed in, the ball set into it
    ex, ey, ez = x - EYE[0], y - EYE[1], z - EYE[2]
    ball = math.sqrt(ex * ex + ey * ey + ez * ez)
    d = -smooth_min(-d, math.sqrt((ex - 0.02) ** 2 + (ey + 0.02) ** 2 + (ez - 0.20) ** 2) - 0.20, 0.16)
    d = smooth_min(d, ball - 0.20, 0.05)
    # the mouth: a crease that fades out behind the corners
    depth = smooth_step(MOUTH_BACK - 0.05, MOUTH_BACK + 0.12, z)
    d += 0.035 * depth * math.exp(-(((y - seam_height(x, z)) / 0.028) ** 2))
    philtrum = smooth_step(-0.64, -0.58, y) * smooth_step(-0.34, -0.42, y) * smooth_step(1.2, 1.35, z)
    d += 0.025 * philtrum * math.exp(-((x / 0.022) ** 2))
    # the nose, with a comma of a nostril
    nx, ny, nz = (x - NOSE[0]) / NOSE_RADII[0], (y - NOSE[1]) / NOSE_RADII[1], (z - NOSE[2]) / NOSE_RADII[2]
    wide = nx * (1.0 - 0.28 * smooth_step(0.2, -1.0, ny) * -1.0)
    nose = (math.sqrt(wide * wide + ny * ny + nz * nz) - 1.0) * 0.12
    d = smooth_min(d, nose, 0.03)
    cx, cy = x - 0.088, y - NOSE[1] + 0.012
    hole = math.sqrt((cx / 1.25) ** 2 + (cy - 1.6 * cx * cx * 4) ** 2 + (z - 1.635) ** 2 * 0.35) - 0.036
    d = -smooth_min(-d, hole, 0.02)
    d += 0.012 * smooth_step(1.45, 1.58, z) * smooth_step(-0.16, -0.24, y) * math.exp(-((x / 0.014) ** 2)) * (y > -0.42)
    return smooth_min(d, ear_distance(x, y, z), 0.18)


# ---------------------------------------------------------------- camera and light


class Camera:
    """A portrait lens: full-frame pixels from points of the head, and the ray through each pixel."""

    def __init__(self, size: int, *, yaw=4.0, pitch=-2.0, roll=3.0, target=(0.02, -0.16, 0.2), span=4.0, away=10.0):
        y, p, r = np.radians((yaw, pitch, roll))
        self.forward = np.array((math.sin(y) * math.cos(p), math.sin(p), math.cos(y) * math.cos(p)))
        right = np.cross((0.0, 1.0, 0.0), self.forward)
        right /= np.linalg.norm(right)
        up = np.cross(self.forward, right)
        self.right, self.up = right * math.cos(r) + up * math.sin(r), up * math.cos(r) - right * math.sin(r)
        self.target, self.away, self.size = np.array(target), away, size
        self.focal = away * size / span

    @property
    def position(self) -> np.ndarray:
        return self.target + self.away * self.forward

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) points -> (..., 3): x, y in pixels and the distance from the lens."""
        offset = points - self.target
        depth = self.away - offset @ self.forward
        x = self.size / 2 + offset @ self.right * self.focal / depth
        y = self.size / 2 - offset @ self.up * self.focal / depth
        return np.stack([x, y, depth], axis=-1)

    def rays(self) -> np.ndarray:
        """(size, size, 3) unit directions."""
        at = (np.arange(self.size) + 0.5 - self.size / 2) / self.focal
        rays = -self.forward + at[None, :, None] * self.right - at[:, None, None] * self.up
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)

    def world(self, right: float, up: float, forward: float) -> np.ndarray:
        """Unit direction given as the viewer sees it."""
        direction = right * self.right + up * self.up + forward * self.forward
        return direction / np.linalg.norm(direction)


@njit(parallel=True, fastmath=True)
def trace(origin, rays, light):
    """March every ray to the surface.

    Returns:
        (H, W, 8): position, normal, light that reaches it past shadows, openness to the sky; NaN where a ray misses.
    """
    height, width = rays.shape[:2]
    out = np.full((height, width, 8), np.nan, np.float32)
    for row in prange(height):
        for column in range(width):
            rx, ry, rz = rays[row, column]
            t = 6.0
            for _ in range(140):
                d = distance(origin[0] + t * rx, origin[1] + t * ry, origin[2] + t * rz)
                t += 0.75 * d
                if d < 0.0008 or t > 14.0:
                    break
            if t > 14.0 or d > 0.02:
                continue
            x, y, z = origin[0] + t * rx, origin[1] + t * ry, origin[2] + t * rz
            e = 0.004
            nx = distance(x + e, y, z) - distance(x - e, y, z)
            ny = distance(x, y + e, z) - distance(x, y - e, z)
            nz = distance(x, y, z + e) - distance(x, y, z - e)
            n = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
            nx, ny, nz = nx * n, ny * n, nz * n
            lit, s = 1.0, 0.06
            for _ in range(40):
                d = distance(x + nx * 0.03 + s * light[0], y + ny * 0.03 + s * light[1], z + nz * 0.03 + s * light[2])
                lit = min(lit, 0.5 + 3.0 * d / s)
                s += max(0.03, d * 0.8)
                if lit < 0.0 or s > 3.0:
                    break
            occlusion, weight = 0.0, 1.0
            for i in range(1, 6):
                s = 0.05 * i * i * 0.6
                occlusion += weight * (s - distance(x + nx * s, y + ny * s, z + nz * s))
                weight *= 0.6
            sky = max(0.0, 1.0 - 1.1 * occlusion)
            lit = max(lit, 0.0)
            out[row, column] = (x, y, z, nx, ny, nz, lit * lit * (3 - 2 * lit), sky)
    return out


# ---------------------------------------------------------------- noise and colour


@njit(inline="always")
def lattice(ix, iy, iz):
    h = (ix * 374761393 + iy * 668265263 + iz * 2147483647) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFF) / 32767.5 - 1.0


@njit(fastmath=True)
def _value_noise(points, out):
    for i in range(points.shape[0]):
        fx, fy, fz = math.floor(points[i, 0]), math.floor(points[i, 1]), math.floor(points[i, 2])
        u, v, w = points[i, 0] - fx, points[i, 1] - fy, points[i, 2] - fz
        u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
        total = 0.0
        for corner in range(8):
            a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
            weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
            total += weight * lattice(int(fx) + a, int(fy) + b, int(fz) + c)
        out[i] += total


def noise(points: np.ndarray, frequency: float, octaves: int = 1) -> np.ndarray:
    """(..., 3) -> (...), smooth in about [-1, 1]."""
    total = np.zeros(points.shape[:-1])
    for octave in range(octaves):
        part = np.zeros(total.size)
        _value_noise(np.ascontiguousarray(points.reshape(-1, 3), np.float64) * frequency * 2.0**octave + 31.7, part)
        total += part.reshape(total.shape) * 0.5**octave
    return total


def ramp(low, high, value):
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def linear(*rgb: float) -> np.ndarray:
    """sRGB 0-255 as linear light."""
    value = np.array(rgb) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


ORANGE, RUST, SAND = linear(218, 116, 40), linear(160, 66, 20), linear(238, 172, 104)
WHITE, CREAM, BLACK, BROWN = linear(240, 232, 220), linear(232, 208, 176), linear(26, 20, 19), linear(74, 40, 24)


def near_segment(points: np.ndarray, start, end, radius: float) -> np.ndarray:
    """1 on the segment, falling to 0 like a brush of that radius."""
    start, end = np.array(start), np.array(end)
    along = end - start
    t = np.clip(((points - start) @ along) / (along @ along), 0, 1)
    gap = np.linalg.norm(points - start - t[..., None] * along, axis=-1)
    return np.exp(-((gap / radius) ** 2))


def seam_offset(points: np.ndarray) -> np.ndarray:
    """Height above the lip seam; far from the mouth, a large number."""
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    back = np.clip((MOUTH_FRONT - z) / (MOUTH_FRONT - MOUTH_BACK), 0, 1.2)
    bow = np.exp(-(((x - 0.16) / 0.11) ** 2)) * ramp(0.5, 0.0, back)
    return np.where(z > MOUTH_BACK, y - (-0.605 - 0.045 * bow + 0.13 * back**1.6), 9.0)


def ear_coordinates(points: np.ndarray) -> np.ndarray:
    """(..., 3): across in [-1, 1] outwards, along from base 0 to tip 1, in front of the sheet."""
    mirrored = points * np.array((1.0, 1.0, 1.0))
    mirrored[..., 0] = np.abs(mirrored[..., 0])
    local = (mirrored - EAR_BASE) @ EAR_FRAME.T
    along = local[..., 1] / EAR_LENGTH
    t = np.clip(along, 0, 1)
    half = np.maximum(EAR_HALF * (1 - t) ** 0.72 * (1 + 0.25 * t), 0.02)
    across = local[..., 0] / half
    sheet = -0.30 * (1 - np.minimum(across**2, 1.5)) * (1 - 0.8 * t)
    return np.stack([across, along, local[..., 2] - sheet], axis=-1)


def ear_share(points: np.ndarray) -> np.ndarray:
    """1 on the ear, falling to 0 where it grows out of the head."""
    across, along, front = np.moveaxis(ear_coordinates(points), -1, 0)
    return ramp(0.0, 0.18, along) * ramp(1.3, 1.1, np.abs(across)) * ramp(0.22, 0.14, np.abs(front))


def coat(points: np.ndarray) -> np.ndarray:
    """(..., 3) linear colour of the fur rooted at each point of the head."""
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    wobble = noise(points, 3.0, 3) * 0.05 + noise(points, 14.0, 2) * 0.035
    mix = lambda colour, other, amount: colour + (other - colour) * np.clip(amount, 0, 1)[..., None]  # noqa: E731

    colour = np.broadcast_to(ORANGE, points.shape)
    colour = mix(colour, RUST, 0.45 * ramp(-0.3, 0.9, noise(points, 2.2, 3)) + 0.5 * ramp(0.9, 0.2, x) * ramp(0.1, 0.8, y))
    colour = mix(colour, SAND, 0.7 * near_segment(np.stack([x, y, z], -1), (0.36, 0.42, 0.55), (0.66, 0.42, 0.3), 0.12))
    colour = mix(colour, SAND, 0.5 * ramp(0.45, 0.75, x) * ramp(0.3, -0.2, y))
    # white: muzzle sides, cheeks, throat, chest
    edge = np.interp(x, (0.0, 0.16, 0.30, 0.50, 0.75, 1.0, 1.25), (-0.42, -0.33, -0.16, -0.17, -0.26, -0.46, -0.9))
    bib = np.interp(y, (-2.6, -1.7, -1.1, -0.8), (0.62, 0.66, 1.0, 1.5))
    edge = edge - 0.10 * ramp(0.9, 1.5, z) * ramp(0.1, 0.3, x)
    colour = mix(colour, WHITE, ramp(0.06, -0.06, y - edge + wobble) * ramp(0.12, -0.12, x - bib + 2 * wobble))
    # dark: tear line, sides of the neck, round the lips
    halves = np.stack([x, y, z], -1)
    tear = near_segment(halves, (0.25, 0.06, 0.72), (0.24, -0.26, 1.10), 0.075)
    colour = mix(colour, BROWN, 0.85 * tear * (0.75 + 2.0 * wobble))
    colour = mix(colour, BROWN, 0.5 * near_segment(halves, (0.6, 0.30, 0.3), (0.75, 0.36, 0.1), 0.05))
    lips = seam_offset(points)
    colour = mix(colour, BROWN, 0.55 * np.exp(-((lips / 0.022) ** 2)))
    # ears: cream inside, black at the rim and tip
    across, along, front = np.moveaxis(ear_coordinates(points), -1, 0)
    inside = ramp(-0.005, 0.02, front) * ramp(1.0, 0.82, np.abs(across))
    ear_colour = mix(np.broadcast_to(ORANGE, points.shape), BLACK, ramp(0.55, 0.85, along + wobble))
    ear_colour = mix(ear_colour, CREAM, inside * ramp(1.0, 0.7, along))
    ear_colour = mix(ear_colour, BLACK, 0.9 * ramp(0.80, 0.95, np.abs(across)) * ramp(0.1, 0.4, along))
    return mix(colour, ear_colour, ear_share(points))


class Light:
    """Sun from the upper left, sky, warm bounce from below, a rim from behind on the right."""

    def __init__(self, camera: Camera):
        self.sun, self.rim = camera.world(-0.62, 0.62, 0.62), camera.world(0.85, 0.25, -0.55)
        self.up, self.eye = camera.up, camera.forward

    def on(self, normal, lit, sky, *, wrap=0.2) -> np.ndarray:
        """(..., 3) light falling on a surface."""
        sun = np.clip((normal @ self.sun + wrap) / (1 + wrap), 0, 1) * lit
        over = 0.5 + 0.5 * (normal @ self.up)
        rim = np.clip(normal @ self.rim, 0, 1) * (1 - np.abs(normal @ self.eye)) ** 2 * sky
        parts = (
            (sun, (1.85, 1.67, 1.42)),
            (over * sky, (0.42, 0.52, 0.62)),
            ((1 - over) * sky, (0.46, 0.38, 0.28)),
            (rim, (2.0, 1.6, 1.1)),
        )
        return sum(amount[..., None] * np.array(colour) for amount, colour in parts)


# ---------------------------------------------------------------- skin, nose, eyes


def paint_surface(position, normal, lit, sky, light: Light) -> np.ndarray:
    """(..., 3) what lies under the fur, and the leather of nose and lips."""
    skin = coat(position) * 0.55 * light.on(normal, lit, sky)
    leather = nose_mask(position)
    cells = noise(position, 75.0) * 0.6 + noise(position, 42.0) * 0.5
    grain = np.stack([noise(position + shift, 60.0) for shift in np.eye(3) * 7.0], axis=-1)
    bumpy = normal + 0.20 * grain
    bumpy /= np.linalg.norm(bumpy, axis=-1, keepdims=True)
    half = light.sun + light.eye
    gloss = np.clip(bumpy @ (half / np.linalg.norm(half)), 0, 1)
    sheen = (0.25 * gloss**9 + 0.55 * gloss**60) * (0.35 + 0.65 * lit) * sky**2
    nose = linear(38, 31, 31) * (1 + 0.35 * cells)[..., None] * light.on(bumpy, lit, sky**2) * 0.9
    nose = nose * (0.1 + 0.9 * sky**1.5)[..., None] + sheen[..., None] * np.array((0.95, 0.98, 1.0))
    skin = skin + (nose - skin) * leather[..., None]
    return skin + (linear(30, 21, 20) * light.on(normal, lit, sky) - skin) * lip_mask(position)[..., None]


def nose_mask(points: np.ndarray) -> np.ndarray:
    """1 on the nose leather, which also runs down the philtrum."""
    gap = np.linalg.norm((points - NOSE) / NOSE_RADII, axis=-1)
    philtrum = ramp(0.020, 0.010, np.abs(points[..., 0])) * (points[..., 2] > 1.3) * ramp(-0.60, -0.58, points[..., 1])
    philtrum = philtrum * ramp(-0.3, -0.35, points[..., 1])
    return np.maximum(ramp(1.16, 1.06, gap), philtrum)


def lip_mask(points: np.ndarray) -> np.ndarray:
    """1 on the dark skin along the seam of the mouth, narrower towards the corners."""
    width = 0.014 * ramp(MOUTH_BACK - 0.02, MOUTH_BACK + 0.45, points[..., 2]) + 0.004
    return ramp(width * 1.3, width * 0.7, np.abs(seam_offset(points)))


def eye_coordinates(points: np.ndarray) -> np.ndarray:
    """(..., 3) points -> (..., 3): outwards and up in units of the half opening, and the side (-1 left, 1 right)."""
    side = np.sign(points[..., 0])
    halves = np.stack([np.abs(points[..., 0]), points[..., 1], points[..., 2]], axis=-1)
    local = (halves - EYE) @ EYE_FRAME.T
    far = np.linalg.norm(halves - EYE, axis=-1) > 0.4
    u, v = local[..., 0] / EYE_HALF[0], local[..., 1] / EYE_HALF[1]
    return np.stack([np.where(far, 9.0, u), v, side], axis=-1)


def eye_opening(u, v) -> np.ndarray:
    """Distance past the edge of the lids, in half openings; negative inside the eye."""
    t = np.clip(np.abs(u), 0, 1.6)
    upper = 0.86 * np.sign(1 - t) * np.abs(1 - t**2.1) ** 0.85 * (1 - 0.10 * u)
    lower = -0.66 * np.sign(1 - t) * np.abs(1 - t**2.2) ** 0.9 * (1 + 0.18 * u)
    lower = lower - 0.18 * ramp(-0.7, -1.1, u) * ramp(-1.4, -1.0, u)
    return np.maximum(v - upper, lower - v)


def paint_eyes(canvas, position, normal, lit, light: Light, camera: Camera) -> None:
    """Amber irises, pupils, lids and highlights, in place."""
    u, v, side = np.moveaxis(eye_coordinates(position), -1, 0)
    edge = eye_opening(u, v)
    near = (np.abs(u) < 1.7) & (np.abs(v) < 1.8)
    u, v, side, edge = u[near], v[near], side[near], edge[near]
    gaze = [0.2 / EYE_HALF[0] * (EYE_FRAME[0] @ (camera.forward * (way, 1, 1))) for way in (-1, 1)]
    gaze = np.where(side > 0, gaze[1], gaze[0])  # both look into the lens
    x, y = (u - gaze) * EYE_HALF[0], (v - 0.08) * EYE_HALF[1]
    radius, angle = np.hypot(x, y) / 0.158, np.arctan2(y, x * side)
    across = x * side  # to the viewer's right

    ring = np.stack([np.cos(angle) * 9, np.sin(angle) * 9, radius * 1.5], axis=-1)
    fibre = noise(ring, 1.0, 3) * 0.5 + noise(ring * np.array((3.0, 3.0, 0.6)), 1.0) * 0.35
    shade = 0.55 + 0.55 * ramp(0.6, -1.0, (y + 0.7 * -across * -1) / 0.158) + 0.30 * fibre
    iris = linear(226, 142, 36) * shade[:, None]
    iris = iris + (linear(255, 206, 92) - iris) * (0.55 * ramp(0.75, 0.35, radius) * (0.7 + 0.4 * fibre))[:, None]
    iris = iris * (1 - 0.85 * ramp(0.78, 1.0, radius))[:, None] * 1.25
    white = np.array(linear(66, 44, 34)) * 0.8
    ball = iris + (white - iris) * ramp(0.97, 1.03, radius)[:, None]
    slit = np.hypot(x / 0.058, y / 0.088)
    ball = ball * ramp(0.92, 1.08, slit)[:, None] + linear(9, 8, 10) * (1 - ramp(0.92, 1.08, slit))[:, None]
    lid = ramp(-0.55, 0.0, v - 0.86 * np.clip(1 - u**2, 0, 1) ** 0.85)
    ball = ball * (1 - 0.78 * lid)[:, None] * (0.55 + 0.45 * ramp(0.0, -0.25, edge))[:, None]
    window = np.hypot((across + 0.036) / 0.026, (y - 0.040) / 0.021)
    spark = np.hypot((across - 0.042) / 0.012, (y + 0.040) / 0.012)
    ball = ball + (0.95 * ramp(1.1, 0.75, window) + 0.30 * ramp(1.2, 0.3, spark))[:, None] * np.array((1.0, 1.0, 0.98))
    sky = np.clip(0.16 * ramp(0.3, 0.9, v) * ramp(1.2, 0.2, np.hypot(across + 0.02, y) / 0.1), 0, 1)
    ball = ball + sky[:, None] * np.array((0.5, 0.7, 0.9))

    wet = ramp(0.05, 0.0, np.abs(edge - 0.02)) * ramp(0.1, -0.3, v)
    rim = linear(24, 17, 16) * (1 + 3 * wet[:, None])
    painted = rim + (ball - rim) * ramp(0.01, -0.05, edge)[:, None]
    cover = ramp(0.42, 0.22, edge)[:, None]
    canvas[near] = canvas[near] * (1 - cover) + painted * cover


# ---------------------------------------------------------------- fur

# Where, which way (both mirrored in x), how long, how far the hair stands off the skin.
GROOM = np.array([
    (0.00, -0.12, 1.40, 0.10, 0.25, -1.0, 0.055, 0.10),  # bridge
    (0.00, 0.08, 0.95, 0.10, 0.40, -1.0, 0.08, 0.12),
    (0.00, 0.30, 0.66, 0.15, 1.00, -0.6, 0.11, 0.15),
    (0.00, 0.70, 0.40, 0.12, 1.00, -0.6, 0.17, 0.2),  # forehead
    (0.25, 1.00, -0.10, 0.20, 0.90, -0.8, 0.20, 0.3),
    (0.50, 0.62, 0.25, 0.45, 0.90, -0.5, 0.16, 0.2),
    (0.40, 0.36, 0.52, 0.60, 0.90, -0.3, 0.09, 0.15),  # brow
    (0.24, 0.02, 0.80, 0.45, -0.20, -1.0, 0.06, 0.10),
    (0.42, -0.04, 0.60, 1.00, -0.15, -0.8, 0.09, 0.12),  # under the eye
    (0.72, 0.20, 0.15, 1.00, 0.35, -0.6, 0.17, 0.2),
    (0.62, -0.22, 0.30, 1.00, -0.25, -0.7, 0.22, 0.2),  # cheek
    (0.92, -0.20, -0.20, 1.00, -0.20, -0.3, 0.40, 0.45),
    (1.00, -0.55, -0.25, 1.00, -0.60, -0.2, 0.52, 0.45),  # ruff
    (0.75, -0.85, -0.10, 0.75, -1.00, -0.1, 0.46, 0.35),
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


def groom(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction (N, 3), length (N,) and lift (N,) of the hair at (N, 3) points."""
    side = np.sign(points[:, :1])
    halves = points * np.array((1.0, 1.0, 1.0))
    halves[:, 0] = np.abs(halves[:, 0])
    gap = ((halves[:, None] - GROOM[None, :, :3]) ** 2).sum(-1)
    weight = 1.0 / (gap + 0.004) ** 2.5
    weight /= weight.sum(1, keepdims=True)
    aim = GROOM[:, 3:6] / np.linalg.norm(GROOM[:, 3:6], axis=1, keepdims=True)
    direction, length, lift = weight @ aim, weight @ GROOM[:, 6], weight @ GROOM[:, 7]
    # near the mid-line hair runs straight back instead of parting
    direction[:, 0] *= ramp(0.0, 0.12, halves[:, 0])

    across, along, front = ear_coordinates(points).T
    ear, inside = ear_share(points), (front > -0.005) & (np.abs(across) < 0.9)
    spread = np.where(inside, 0.9 * np.where(across < 0, 0.9, 0.2), 0.25 * np.sign(across))[:, None]
    ear_way = EAR_FRAME[1] + spread * EAR_FRAME[0] + 0.25 * EAR_FRAME[2] * inside[:, None]
    direction = direction + ear[:, None] * (ear_way - direction)
    length = length + ear * (np.where(inside, 0.34 - 0.24 * along, 0.10) - length)
    lift = lift + ear * (np.where(inside, 0.35, 0.12) - lift)
    direction[:, :1] *= side
    return direction, length, lift


def grow(rng, surface: np.ndarray, camera: Camera, count: int, *, steps: int = 10) -> dict[str, np.ndarray]:
    """Hairs rooted at random pixels of the traced surface, combed, clumped and bent."""
    rows, columns = np.nonzero(np.isfinite(surface[..., 0]))
    pick = rng.integers(len(rows), size=count)
    roots = surface[rows[pick], columns[pick]].astype(np.float64)
    position, normal, lit, sky = roots[:, :3], roots[:, 3:6], roots[:, 6], roots[:, 7]
    direction, length, lift = groom(position)
    # even cover: fewer of the long hairs
    keep = rng.random(count) < np.clip(0.11 / length, 0.14, 1.0)
    keep &= nose_mask(position) < 0.5
    position, normal, lit, sky = position[keep], normal[keep], lit[keep], sky[keep]
    direction, length, lift = direction[keep], length[keep], lift[keep]
    n = len(position)

    swirl = np.stack([noise(position + shift, 2.6, 2) for shift in np.eye(3) * 11.0], axis=-1)
    direction = direction + 0.22 * swirl + rng.normal(size=(n, 3)) * 0.10
    direction -= (direction * normal).sum(1, keepdims=True) * normal
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = length * rng.uniform(0.6, 1.15, n)
    lift = lift * rng.uniform(0.4, 1.5, n)
    s = np.linspace(0, 1, steps)[None, :, None]
    start = direction + lift[:, None] * normal
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    fall = np.array((0.0, -0.35, 0.0)) * ramp(0.12, 0.4, length)[:, None] - 0.35 * lift[:, None] * normal
    strand = position[:, None] + length[:, None, None] * (s * start[:, None] + s**2 * fall[:, None])

    for share, pull in ((0.012, 0.45), (0.06, 0.45)):
        leaders = np.flatnonzero(rng.random(n) < share)
        _, nearest = cKDTree(position[leaders]).query(position)
        strand = strand + pull * s**1.4 * (strand[leaders[nearest]] - strand) * rng.uniform(0.3, 1.0, n)[:, None, None]
    tone = rng.normal(size=n) * 0.10 + 0.14 * rng.normal(size=len(leaders))[nearest]
    return {
        "root": position, "normal": normal, "lit": lit, "sky": sky, "length": length, "strand": strand, "tone": tone,
    }


def shade(hairs: dict[str, np.ndarray], light: Light) -> np.ndarray:
    """(N, S, 3) linear colour along each hair."""
    strand, normal = hairs["strand"], hairs["normal"]
    tangent = np.gradient(strand, axis=1)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True) + 1e-9
    s = np.linspace(0, 1, strand.shape[1])[None, :, None]
    tinted = coat(hairs["root"]) * np.exp(hairs["tone"])[:, None]
    lit, sky = hairs["lit"][:, None], hairs["sky"][:, None]
    bent = normal[:, None] * 0.85 + 0.25 * (light.sun - (tangent @ light.sun)[..., None] * tangent)
    bent /= np.linalg.norm(bent, axis=-1, keepdims=True)
    fall = light.on(bent, np.broadcast_to(lit, bent.shape[:2]), np.broadcast_to(sky, bent.shape[:2]), wrap=0.35)
    body = tinted[:, None] * fall * (0.55 + 0.55 * s)
    half = light.sun + light.eye
    half = half / np.linalg.norm(half)
    gloss = np.clip(1 - (tangent @ half) ** 2, 0, 1) ** 12 * np.clip(normal @ light.sun + 0.2, 0, 1)[:, None] * lit
    return body + 0.11 * (gloss * s[..., 0])[..., None] * (0.25 + tinted[:, None]) * np.array((1.0, 0.95, 0.85)) * 2.0


@njit(fastmath=True)
def paint_strokes(canvas, points, colours, widths, opacity):
    """Draw tapered, anti-aliased strokes over `canvas` in the order given.

    Args:
        canvas: (H, W, 3) linear light, changed in place.
        points: (N, S, 2) pixels. colours: (N, S, 3). widths: (N, S) pixels. opacity: (N,).
    """
    height, width = canvas.shape[:2]
    for i in range(points.shape[0]):
        for j in range(points.shape[1] - 1):
            ax, ay, bx, by = points[i, j, 0], points[i, j, 1], points[i, j + 1, 0], points[i, j + 1, 1]
            reach = 0.5 * max(widths[i, j], widths[i, j + 1]) + 1.0
            dx, dy = bx - ax, by - ay
            span = dx * dx + dy * dy + 1e-9
            for y in range(max(0, int(min(ay, by) - reach)), min(height, int(max(ay, by) + reach) + 1)):
                for x in range(max(0, int(min(ax, bx) - reach)), min(width, int(max(ax, bx) + reach) + 1)):
                    px, py = x + 0.5 - ax, y + 0.5 - ay
                    t = (px * dx + py * dy) / span
                    if t < 0.0 or t >= 1.0:
                        continue
                    gap = abs(px * dy - py * dx) / math.sqrt(span)
                    w = widths[i, j] + t * (widths[i, j + 1] - widths[i, j])
                    cover = min(max(0.5 * w + 0.5 - gap, 0.0), min(w, 1.0)) * opacity[i]
                    if cover > 0.0:
                        for c in range(3):
                            ink = colours[i, j, c] + t * (colours[i, j + 1, c] - colours[i, j, c])
                            canvas[y, x, c] += cover * (ink - canvas[y, x, c])


def paint_fur(canvas, rng, surface, camera: Camera, light: Light, bare: np.ndarray, count: int) -> None:
    """Grow hair on the traced surface and paint it from the farthest to the nearest; none over `bare` pixels."""
    hairs = grow(rng, surface, camera, count)
    seen = camera.project(hairs["strand"])
    at = np.clip(seen[..., :2].astype(int), 0, camera.size - 1)
    covered = bare[at[..., 1], at[..., 0]]
    keep = covered[:, 1:].sum(1) < 2
    order = np.flatnonzero(keep)[np.argsort(-seen[keep, 0, 2] - 0.25 * hairs["length"][keep])]
    hairs = {name: value[order] for name, value in hairs.items()}
    seen = seen[order]
    s = np.linspace(0, 1, seen.shape[1])
    thick = np.interp(hairs["length"], (0.04, 0.12, 0.5), (0.0042, 0.0058, 0.0085)) * rng.uniform(0.7, 1.25, len(order))
    widths = thick[:, None] * camera.focal / seen[..., 2] * (1 - s**1.6) * (0.65 + 0.35 * np.minimum(1, 4 * s))
    opacity = np.interp(hairs["length"], (0.04, 0.5), (0.85, 0.75))
    paint_strokes(canvas, seen[..., :2].copy(), shade(hairs, light), widths, opacity)


# ---------------------------------------------------------------- picture


def paint_background(size: int, rng) -> np.ndarray:
    """A wood out of focus: dusk greens, lit from the upper left, with discs of light."""
    y, x = np.mgrid[0:size, 0:size] / size
    glow = np.exp(-(((x - 0.12) / 0.55) ** 2 + ((y - 0.10) / 0.6) ** 2))
    base = linear(24, 38, 34) + glow[..., None] * (linear(150, 158, 104) - linear(24, 38, 34)) * 0.75
    base = base * (1 - 0.45 * ramp(0.5, 1.0, y))[..., None]
    for _ in range(70):
        cx, cy, radius = rng.random(), rng.random() ** 1.3 * 0.9, rng.uniform(0.02, 0.07)
        disc = ramp(1.05, 0.9, np.hypot(x - cx, y - cy) / radius)
        tint = linear(*((226, 196, 120), (150, 176, 110), (96, 140, 120))[rng.integers(3)])
        local = np.exp(-(((cx - 0.2) / 0.5) ** 2 + ((cy - 0.15) / 0.5) ** 2))
        base = base + (disc * rng.uniform(0.04, 0.16) * (0.25 + local))[..., None] * tint
    for _ in range(26):
        cx, wide = rng.random(), rng.uniform(0.02, 0.09)
        trunk = np.exp(-(((x - cx + rng.normal() * 0.1 * (y - 0.5)) / wide) ** 2))
        base = base * (1 - rng.uniform(0.05, 0.30) * trunk)[..., None]
    return gaussian_filter(base, (size * 0.012, size * 0.012, 0))


def enlarge(planes: np.ndarray, factor: int) -> np.ndarray:
    """(H, W, C) -> (H * factor, W * factor, C), bilinear."""
    size = (planes.shape[1] * factor, planes.shape[0] * factor)
    resized = [Image.fromarray(plane).resize(size, Image.BILINEAR) for plane in np.moveaxis(planes, -1, 0)]
    return np.stack([np.asarray(plane) for plane in resized], axis=-1)


def develop(canvas: np.ndarray, rng, size: int) -> Image.Image:
    """Linear light -> sRGB picture: shoulder, soft vignette, a breath of grain."""
    step = canvas.shape[0] // size
    canvas = canvas.reshape(size, step, size, step, 3).mean((1, 3))
    y, x = np.mgrid[-1:1:size * 1j, -1:1:size * 1j]
    canvas = canvas * (1 - 0.28 * ramp(0.75, 1.45, np.hypot(x, y)))[..., None]
    toned = np.clip(canvas * (1 + canvas / 4.0) / (1 + canvas), 0, 1) * 1.25
    toned = np.clip(toned, 0, 1)
    pixels = np.where(toned <= 0.0031308, toned * 12.92, 1.055 * toned ** (1 / 2.4) - 0.055)
    pixels = pixels + rng.normal(size=(size, size, 1)) * 0.006
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


def on_surface(start, way) -> np.ndarray:
    """The first point of the skin from `start`, inside the head, along `way`."""
    point, way = np.array(start, float), np.array(way, float)
    while distance(*point) < 0:
        point += 0.002 * way
    return point


def visible_corner(camera: Camera, surface: np.ndarray, side: int) -> np.ndarray:
    """Where the lip seam goes out of sight: the corner of the mouth, or the turn of the muzzle that hides it."""
    for z in np.arange(MOUTH_BACK + 0.06, MOUTH_FRONT, 0.01):
        point = on_surface((0, seam_height(0.4, z), z), (side, 0, 0))
        x, y, _ = camera.project(point).astype(int)
        around = surface[y - 2 : y + 3, x - 2 : x + 3, :3]
        if np.nanmin(np.linalg.norm(around - point, axis=-1)) < 0.06:
            return point


def keypoints(camera: Camera, surface: np.ndarray) -> np.ndarray:
    """(9, 3) `animal9` points of the portrait, x, y in pixels of a picture of SIZE, and score 1."""
    u, v, side = np.moveaxis(eye_coordinates(surface[..., :3]), -1, 0)
    eyes = [surface[(eye_opening(u, v) < 0) & (side == way), :3].mean(0) for way in (-1, 1)]
    corners = [visible_corner(camera, surface, way) for way in (-1, 1)]
    lip = on_surface((0, seam_height(0.0, MOUTH_FRONT), 1.0), (0, 0, 1))
    jaw = [on_surface((0, -0.72, 1.12), (0, -math.sin(a), math.cos(a))) for a in np.radians(np.arange(0, 95, 5))]
    chin = max(jaw, key=lambda p: camera.project(p)[1])
    brow = on_surface((0, eyes[0][1] + 0.1, 0), (0, 0, 1))
    nose = on_surface(NOSE, (0, 0, 1))
    points = np.array([*eyes, nose, *corners, lip, lip, chin, brow])
    seen = camera.project(points)[:, :2] * SIZE / camera.size
    return np.column_stack([seen, np.ones(9)])


def faces_json(points: np.ndarray, box: list[float]) -> str:
    face = {
        "id": 0, "species": "fox", "score": 1.0, "schema": "animal9", "frames": [0], "boxes": [box],
        "keypoints": [np.round(points, 2).tolist()],
    }
    source = {"width": SIZE, "height": SIZE, "frame_rate": "0", "frames": 1}
    return json.dumps({"version": 1, "source": source, "faces": [face]}, indent=1) + "\n"


def draw(canvas_size: int, hair_count: int) -> tuple[Image.Image, np.ndarray, list[float]]:
    """The portrait, its keypoints and the box of the head."""
    rng = np.random.default_rng(7)
    traced_size = canvas_size // 2
    camera, fine = Camera(traced_size), Camera(canvas_size)
    light = Light(camera)
    surface = trace(camera.position, camera.rays(), light.sun)
    solid = np.isfinite(surface[..., 0])
    planes = enlarge(np.where(solid[..., None], surface, 0).astype(np.float32), 2).astype(np.float64)
    cover = enlarge(solid[..., None].astype(np.float32), 2)
    planes = planes / np.maximum(cover, 1e-3)
    canvas = np.ascontiguousarray(paint_background(canvas_size, rng))
    hit = cover[..., 0] > 0.5
    position, normal, lit, sky = planes[hit][:, :3], planes[hit][:, 3:6], planes[hit][:, 6], planes[hit][:, 7]
    base = paint_surface(position, normal, lit, sky, light)
    paint_eyes(base, position, normal, lit, light, fine)
    canvas[hit] = base
    u, v, _ = eye_coordinates(position).T
    bare = np.zeros(hit.shape, bool)
    bare[hit] = (eye_opening(u, v) < 0.12) | (nose_mask(position) > 0.5) | (lip_mask(position) > 0.5)
    paint_fur(canvas, rng, surface, fine, light, bare, hair_count)

    head = surface[..., 1][solid] > -1.0
    rows, columns = np.nonzero(solid)
    scale = SIZE / traced_size
    box = [columns[head].min(), rows[head].min(), columns[head].max() + 1, rows[head].max() + 1]
    return develop(canvas, rng, min(SIZE, canvas_size)), keypoints(camera, surface), [round(float(v) * scale, 1) for v in box]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=SAMPLES / "fox.jpg")
    parser.add_argument("--draft", action="store_true", help="half the resolution, fewer hairs")
    arguments = parser.parse_args()
    picture, points, box = draw(*((1024, 120_000) if arguments.draft else (2048, 600_000)))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    picture.save(arguments.output, quality=92)
    arguments.output.with_suffix(".faces.json").write_text(faces_json(points, box))


if __name__ == "__main__":
    main()
