"""How the sample portraits are painted: a solid is traced and lit, then hairs grow on it in three dimensions.

Knows nothing of any animal: what it paints comes in as a distance function, a coat of colour and a groom. Colours are
linear light; x points to the viewer's right, y up, z out of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

# ---------------------------------------------------------------- arithmetic


@njit(inline="always")
def smooth_min(a, b, k):
    """The smaller of two distances, rounded where they are within `k`."""
    h = max(k - abs(a - b), 0.0) / k
    return min(a, b) - h * h * k * 0.25


@njit(inline="always")
def smooth_step(low, high, value):
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def ramp(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """`smooth_step` of arrays; `low` may lie above `high`."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def mix(colour: np.ndarray, other: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """(..., 3) between two colours; `amount` (...) is clipped to [0, 1]."""
    return colour + (other - colour) * np.clip(amount, 0, 1)[..., None]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12)


def linear(*rgb: float) -> np.ndarray:
    """sRGB 0-255 as linear light."""
    value = np.array(rgb) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def near_segment(points: np.ndarray, start, end, radius: float) -> np.ndarray:
    """1 on the segment, falling off like a soft brush of that radius."""
    start, end = np.array(start), np.array(end)
    along = end - start
    t = np.clip(((points - start) @ along) / (along @ along), 0, 1)
    gap = np.linalg.norm(points - start - t[..., None] * along, axis=-1)
    return np.exp(-((gap / radius) ** 2))


@njit(inline="always")
def lattice(x, y, z):
    h = (x * 374761393 + y * 668265263 + z * 2147483647) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFF) / 32767.5 - 1.0


@njit(fastmath=True)
def value_noise(points):
    out = np.zeros(points.shape[0])
    for i in range(points.shape[0]):
        fx, fy, fz = math.floor(points[i, 0]), math.floor(points[i, 1]), math.floor(points[i, 2])
        u, v, w = points[i, 0] - fx, points[i, 1] - fy, points[i, 2] - fz
        u, v, w = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
        for corner in range(8):
            a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
            weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
            out[i] += weight * lattice(int(fx) + a, int(fy) + b, int(fz) + c)
    return out


def noise(points: np.ndarray, frequency: float, octaves: int = 1) -> np.ndarray:
    """(..., 3) points -> (...), smooth, within about [-1, 1]."""
    flat = np.ascontiguousarray(points, np.float64).reshape(-1, 3)
    total = sum(value_noise(flat * frequency * 2.0**octave + 31.7) * 0.5**octave for octave in range(octaves))
    return total.reshape(points.shape[:-1])


def noise_vector(points: np.ndarray, frequency: float, octaves: int = 1) -> np.ndarray:
    """(..., 3) points -> (..., 3)."""
    return np.stack([noise(points + shift, frequency, octaves) for shift in np.eye(3) * 11.0], axis=-1)


# ---------------------------------------------------------------- camera, light, solid


class Camera:
    """A portrait lens: pixels from points, and the ray through each pixel."""

    def __init__(self, size: int, *, yaw: float, pitch: float, roll: float, target, span: float, away: float = 10.0):
        """`span` units fill the `size` pixels of the picture at `target`, `away` from the lens; angles in degrees."""
        y, p, r = np.radians((yaw, pitch, roll))
        self.forward = np.array((math.sin(y) * math.cos(p), math.sin(p), math.cos(y) * math.cos(p)))
        right = unit(np.cross((0.0, 1.0, 0.0), self.forward))
        up = np.cross(self.forward, right)
        self.right, self.up = right * math.cos(r) + up * math.sin(r), up * math.cos(r) - right * math.sin(r)
        self.size, self.target, self.away, self.focal = size, np.array(target), away, away * size / span
        self.position = self.target + away * self.forward

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) points -> (..., 3): x and y in pixels, depth from the lens."""
        offset = points - self.target
        depth = self.away - offset @ self.forward
        x = self.size / 2 + offset @ self.right * self.focal / depth
        y = self.size / 2 - offset @ self.up * self.focal / depth
        return np.stack([x, y, depth], axis=-1)

    def rays(self) -> np.ndarray:
        """(size, size, 3) unit directions."""
        at = (np.arange(self.size) + 0.5 - self.size / 2) / self.focal
        return unit(-self.forward + at[None, :, None] * self.right - at[:, None, None] * self.up)

    def towards(self, right: float, up: float, forward: float) -> np.ndarray:
        """Unit direction given as the viewer sees it."""
        return unit(right * self.right + up * self.up + forward * self.forward)


class Light:
    """Sun from the upper left, sky, warm bounce from below, a low rim light from behind on the right."""

    def __init__(self, camera: Camera):
        self.sun, self.rim = camera.towards(-0.66, 0.58, 0.58), camera.towards(0.90, 0.30, -0.45)
        self.up, self.eye = camera.up, camera.forward
        self.half = unit(self.sun + self.eye)

    def on(self, normal, lit, sky, *, wrap=0.2) -> np.ndarray:
        """(..., 3) light that falls on a surface of `normal` (..., 3) where `lit` and `sky` (...) of it arrive."""
        over = 0.5 + 0.5 * (normal @ self.up)
        parts = (
            (np.clip((normal @ self.sun + wrap) / (1 + wrap), 0, 1) * lit * (0.4 + 0.6 * sky), (1.36, 1.20, 0.98)),
            (over * sky, (0.26, 0.34, 0.44)),
            ((1 - over) * sky, (0.40, 0.32, 0.24)),
            (np.clip(normal @ self.rim, 0, 1) * (1 - np.abs(normal @ self.eye)) ** 1.5 * sky, (4.2, 3.2, 2.1)),
        )
        return sum(amount[..., None] * np.array(colour) for amount, colour in parts)


@dataclass(frozen=True, eq=False)
class Surface:
    """Points of the solid."""

    position: np.ndarray
    """(..., 3); NaN where the picture shows the background."""
    normal: np.ndarray
    """(..., 3) unit vectors."""
    lit: np.ndarray
    """(...) share of the sun that gets past what stands in its way."""
    sky: np.ndarray
    """(...) openness to the sky, 0 in a deep crease."""

    def __getitem__(self, index) -> Surface:
        return Surface(self.position[index], self.normal[index], self.lit[index], self.sky[index])

    def enlarged(self, factor: int) -> Surface:
        """The same picture of points, `factor` times as fine."""
        solid = np.isfinite(self.lit)
        planes = np.concatenate([self.position, self.normal, self.lit[..., None], self.sky[..., None]], axis=-1)
        planes = np.concatenate([np.where(solid[..., None], planes, 0), solid[..., None]], axis=-1).astype(np.float32)
        size = tuple(factor * n for n in solid.shape[::-1])
        fine = [np.asarray(Image.fromarray(plane).resize(size, Image.BILINEAR)) for plane in np.moveaxis(planes, -1, 0)]
        fine = np.stack(fine, axis=-1).astype(np.float64)
        fine = np.where(fine[..., 8:] > 0.5, fine[..., :8] / np.maximum(fine[..., 8:], 0.5), np.nan)
        return Surface(fine[..., :3], unit(fine[..., 3:6]), fine[..., 6], fine[..., 7])


@njit(parallel=True, fastmath={"contract", "arcp"})
def march(distance, origin, rays, sun):
    """(H, W, 8) position, normal, lit, sky of what each ray meets; NaN where it meets nothing."""
    height, width = rays.shape[:2]
    out = np.full((height, width, 8), np.nan)
    for row in prange(height):
        for column in range(width):
            rx, ry, rz = rays[row, column]
            t, d = 6.0, 1.0
            for _ in range(160):
                d = distance(origin[0] + t * rx, origin[1] + t * ry, origin[2] + t * rz)
                t += 0.7 * d
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
            for _ in range(90):
                d = distance(x + nx * 0.03 + s * sun[0], y + ny * 0.03 + s * sun[1], z + nz * 0.03 + s * sun[2])
                lit = min(lit, 0.5 + 2.2 * d / s)
                s += max(0.012, d * 0.4)
                if lit < 0.0 or s > 3.0:
                    break
            crease, weight = 0.0, 1.0
            for i in range(1, 6):
                s = 0.045 * i * i
                crease += weight * (s - distance(x + nx * s, y + ny * s, z + nz * s))
                weight *= 0.6
            out[row, column] = (x, y, z, nx, ny, nz, smooth_step(0.0, 1.0, lit), max(0.0, 1.0 - 1.1 * crease))
    return out


def trace(distance: Callable, camera: Camera, light: Light) -> Surface:
    """The (size, size) surface seen through `camera`; `distance(x, y, z)` is compiled and negative inside the solid."""
    planes = march(distance, camera.position, camera.rays(), light.sun)
    return Surface(planes[..., :3], planes[..., 3:6], planes[..., 6], planes[..., 7])


# ---------------------------------------------------------------- fur


@dataclass(frozen=True, eq=False)
class Groom:
    """How the hair at N points grows."""

    direction: np.ndarray
    """(N, 3); the part along the skin counts."""
    length: np.ndarray
    """(N,)"""
    lift: np.ndarray
    """(N,) rise off the skin per length along it."""
    bare: np.ndarray
    """(N,) bool: no hair grows here."""


@njit(fastmath=True)
def paint_strokes(canvas, points, colours, widths, opacity):
    """Draw tapered, anti-aliased strokes over `canvas` in the order given.

    Args:
        canvas: (H, W, 3), changed in place.
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


def paint_fur(canvas, rng, surface: Surface, camera: Camera, light: Light, groom: Callable, coat: Callable, keep_off,
              *, count: int, steps: int = 10) -> None:
    """Grow hair at `count` random pixels of the picture of points and paint it, farthest first.

    Args:
        canvas: (H, W, 3), changed in place; `camera` sees it.
        surface: as traced, at any resolution.
        groom: (N, 3) points -> Groom. coat: (N, 3) points -> (N, 3) colours.
        keep_off: (H, W) bool, pixels that no hair may cross.
    """
    seen = np.argwhere(np.isfinite(surface.lit))
    root = surface[tuple(seen[rng.integers(len(seen), size=count)].T)]
    # off the grid of pixels, within the skin
    pixel = camera.away / camera.focal * camera.size / len(surface.lit)
    shift = pixel * rng.uniform(-0.5, 0.5, (count, 2)) @ np.stack([camera.right, camera.up])
    slope = (root.normal * shift).sum(1) / np.maximum(root.normal @ camera.forward, 0.15)
    root.position[:] += shift - slope[:, None] * camera.forward

    style = groom(root.position)
    # long hair covers more, so fewer are enough
    chosen = ~style.bare & (rng.random(count) < np.clip(0.11 / style.length, 0.16, 1.0))
    root, direction = root[chosen], style.direction[chosen]
    length, lift = style.length[chosen][:, None], style.lift[chosen][:, None]
    n = len(length)

    guard = rng.random((n, 1)) < 0.08  # the long coarse hairs above the undercoat
    direction = unit(direction) + 0.20 * noise_vector(root.position, 2.6, 2) + 0.09 * rng.normal(size=(n, 3))
    along = unit(direction - (direction * root.normal).sum(1, keepdims=True) * root.normal)
    length = length * rng.uniform(0.6, 1.1, (n, 1)) * np.where(guard, 1.3, 1.0)
    lift = lift * rng.uniform(0.4, 1.5, (n, 1))
    start = unit(along + lift * root.normal)
    bend = (0, -0.35, 0) * ramp(0.12, 0.4, length) - 0.35 * lift * root.normal + 0.06 * rng.normal(size=(n, 3))
    s = np.linspace(0, 1, steps)[None, :, None]
    strand = root.position[:, None] + length[:, None] * (s * start[:, None] + s**2 * bend[:, None])

    # hairs lean on a leader close by: tufts of tufts, each shaded as a little round body with dark gaps between
    tone, round_normal = rng.normal(size=n) * 0.16, root.normal.copy()
    shaggy = 0.32 + 0.68 * ramp(0.05, 0.25, length[:, 0])
    for tufts, pull, depth in ((2_000, 0.55, 0.13), (14_000, 0.55, 0.16)):
        leaders = rng.choice(n, tufts, replace=False)
        gap, nearest = cKDTree(root.position[leaders]).query(root.position)
        lean = (pull * shaggy * rng.uniform(0.4, 1.0, n))[:, None, None]
        strand = strand + lean * s**1.4 * (strand[leaders[nearest]] - strand)
        reach = (np.bincount(nearest, gap) / np.bincount(nearest))[nearest] * 1.5 + 1e-3
        tone += 0.12 * rng.normal(size=tufts)[nearest] + depth * shaggy * (0.6 - np.minimum(gap / reach, 1.6) ** 2)
        round_normal += (0.35 * shaggy)[:, None] * (root.position - root.position[leaders[nearest]]) / reach[:, None]
    tone += np.where(guard[:, 0], 0.10, 0.0)

    pixels = camera.project(strand)
    at = np.clip(pixels[..., :2].astype(int), 0, camera.size - 1)
    clear = keep_off[at[:, 1:, 1], at[:, 1:, 0]].sum(1) < 1
    order = np.flatnonzero(clear)[np.argsort(-(pixels[clear, 0, 2] + 0.25 * length[clear, 0]))]
    root, strand, pixels, length, tone = root[order], strand[order], pixels[order], length[order, 0], tone[order]

    tangent = unit(np.gradient(strand, axis=1))
    facing = unit(unit(round_normal[order])[:, None] + 0.25 * (light.sun - (tangent @ light.sun)[..., None] * tangent))
    shape = facing.shape[:2]
    lit, sky = np.broadcast_to(root.lit[:, None], shape), np.broadcast_to(root.sky[:, None], shape)
    dark = np.interp(length, (0.05, 0.2), (0.42, 0.68))[:, None, None]  # at the roots, where light hardly gets
    tint = (coat(root.position) * np.exp(tone)[:, None])[:, None]
    colours = tint * light.on(facing, lit, sky, wrap=0.3) * (1.08 - dark * (1 - s))
    gloss = np.clip(1 - (tangent @ light.half) ** 2, 0, 1) ** 14 * np.clip(root.normal @ light.sun + 0.1, 0, 1)[:, None]
    colours += 0.20 * (gloss * lit * s[..., 0])[..., None] * (0.2 + tint) * (1.0, 0.95, 0.85)

    thick = np.interp(length, (0.04, 0.12, 0.5), (0.0042, 0.0052, 0.0075)) * rng.uniform(0.65, 1.2, n)[order]
    taper = (1 - s[..., 0] ** 1.6) * np.minimum(1, 0.25 + 5 * s[..., 0])
    widths = thick[:, None] * camera.focal / pixels[..., 2] * taper
    paint_strokes(canvas, pixels[..., :2].copy(), colours, widths, np.interp(length, (0.04, 0.5), (0.9, 0.75)))


# ---------------------------------------------------------------- picture


def paint_background(size: int, rng) -> np.ndarray:
    """(size, size, 3) a wood out of focus: evening sun at the upper left, discs of light, dim trunks."""
    y, x = np.mgrid[0:size, 0:size] / size
    glow = np.exp(-(((x - 0.05) / 0.5) ** 2 + ((y - 0.05) / 0.55) ** 2))
    base = mix(np.broadcast_to(linear(20, 40, 42), (size, size, 3)), linear(186, 172, 104), 0.5 * glow)
    base = mix(base, linear(14, 22, 22), 0.75 * ramp(0.45, 1.0, y + 0.15 * x))
    for _ in range(22):
        centre, wide, lean = rng.random(), rng.uniform(0.015, 0.07), rng.normal() * 0.12
        trunk = np.exp(-(((x - centre + lean * (y - 0.5)) / wide) ** 4))
        base = base * (1 - rng.uniform(0.05, 0.35) * trunk)[..., None]
    base = gaussian_filter(base, (size * 0.02, size * 0.02, 0))
    for _ in range(90):
        cx, cy, radius = rng.random(), rng.random() ** 1.4 * 0.95, rng.uniform(0.018, 0.055)
        gap = np.hypot(x - cx, y - cy) / radius
        disc = ramp(1.05, 0.93, gap) * (0.75 + 0.35 * ramp(0.6, 1.0, gap))
        tint = linear(*((255, 214, 130), (190, 205, 120), (110, 170, 150))[rng.integers(3)])
        near_sun = np.exp(-(((cx - 0.12) / 0.45) ** 2 + ((cy - 0.1) / 0.5) ** 2))
        base = base + (disc * rng.uniform(0.02, 0.13) * (0.18 + near_sun))[..., None] * tint
    return np.ascontiguousarray(gaussian_filter(base, (size * 0.003, size * 0.003, 0)))


def develop(canvas: np.ndarray, rng, size: int) -> Image.Image:
    """Linear light -> sRGB picture `size` pixels high: bloom, vignette, shoulder, a breath of grain."""
    step = canvas.shape[0] // size
    width = canvas.shape[1] // step
    canvas = canvas.reshape(size, step, width, step, 3).mean((1, 3))
    canvas = canvas + 0.06 * (gaussian_filter(canvas, (size * 0.02, size * 0.02, 0)) - canvas)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : width * 1j]
    canvas = canvas * (1 - 0.35 * ramp(0.7, 1.45, np.hypot(x, y)))[..., None]
    # the ACES curve as fitted by K. Narkowicz, 2015
    toned = np.clip(canvas * (2.51 * canvas + 0.03) / (canvas * (2.43 * canvas + 0.59) + 0.14), 0, 1)
    pixels = np.where(toned <= 0.0031308, toned * 12.92, 1.055 * toned ** (1 / 2.4) - 0.055)
    pixels = pixels + rng.normal(size=(size, width, 1)) * 0.006
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
