"""Draw heads of animals that do not exist, in many styles and views, with exactly known `animal9` points.

    python dev/keypoints/draw.py --seed 5 --out sheet.png     # a sheet of 30, to look at

A head is a ball of radius 1 with features at (x, y, z), y down and z towards the viewer; turning it moves what stands
out farthest. Everything is filled shapes: PIL draws them four times too large.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

LARGER = 3
"""Pixels drawn per pixel of the result, each way."""
INK = (38, 28, 26)


@dataclass
class Sheet:
    """A transparent square on which shapes in units of the head are drawn."""

    size: int
    unit: float
    """Pixels per unit."""
    ink: int
    """Pixels of outline; 0: none."""
    ink_colour: tuple[int, int, int] = INK
    image: Image.Image = field(init=False)

    def __post_init__(self):
        self.image = Image.new("RGBA", (self.size, self.size))
        self.pen = ImageDraw.Draw(self.image)

    def at(self, points) -> list[tuple[float, float]]:
        return [tuple(p) for p in np.asarray(points, float) * self.unit + self.size / 2]

    def shape(self, points, colour, *, ink: bool = True):
        points = self.at(points)
        self.pen.polygon(points, fill=colour)
        if ink and self.ink:
            self.pen.line([*points, points[0], points[1]], fill=self.ink_colour, width=self.ink, joint="curve")

    def line(self, points, width: float, colour=None):
        points, width = self.at(points), max(2, round(width * self.unit))
        self.pen.line(points, fill=colour or self.ink_colour, width=width, joint="curve")
        for x, y in (points[0], points[-1]):
            self.pen.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], colour or self.ink_colour)


def oval(x, y, width, height=None, *, turn=0.0, power=2.0) -> np.ndarray:
    """(64, 2) outline of a superellipse round (x, y)."""
    t = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    cos, sin = np.cos(t), np.sin(t)
    points = np.stack(
        [width * np.sign(cos) * np.abs(cos) ** (2 / power),
         (height or width) * np.sign(sin) * np.abs(sin) ** (2 / power)], 1,
    )  # fmt: skip
    c, s = math.cos(turn), math.sin(turn)
    return points @ np.array([[c, s], [-s, c]]) + (x, y)


def curve(*points) -> np.ndarray:
    """(25, 2) of a quadratic Bezier curve."""
    a, b, c = (np.array(p, float) for p in points)
    t = np.linspace(0, 1, 25)[:, None]
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c


def shade(colour, factor: float) -> tuple[int, int, int]:
    return tuple(int(min(255, max(0, channel * factor))) for channel in colour)


def palette(rng) -> tuple:
    """Fur, its marking, light muzzle: natural mostly, sometimes any colours at all."""
    natural = [(214, 140, 66), (120, 84, 60), (70, 66, 68), (236, 226, 206), (160, 158, 160), (226, 178, 110),
               (90, 60, 44), (245, 245, 245), (200, 96, 40), (48, 44, 50), (188, 150, 120), (240, 200, 90)]  # fmt: skip
    if rng.random() < 0.25:
        fur = tuple(int(v) for v in rng.integers(40, 256, 3))
    else:
        fur = tuple(int(v) for v in np.clip(natural[rng.integers(len(natural))] + rng.normal(0, 12, 3), 0, 255))
    marking = shade(fur, rng.uniform(0.45, 0.85)) if rng.random() < 0.7 else shade(fur, 1.3)
    light = tuple(int(c + (255 - c) * rng.uniform(0.35, 0.9)) for c in fur) if rng.random() < 0.75 else fur
    return fur, marking, light


def draw_eye(sheet, rng_style, x, y, radius, narrow):
    kind, iris, shut = rng_style
    if shut:
        bow = -1 if kind % 2 else 1
        sheet.line(curve((x - radius, y), (x, y + bow * 1.3 * radius), (x + radius, y)), 0.05)
    elif kind == 0:
        sheet.shape(oval(x, y, radius * 0.75 * narrow, radius), INK, ink=False)
    elif kind == 1:
        sheet.shape(oval(x, y, radius * 0.9 * narrow, radius * 0.9), INK, ink=False)
        sheet.shape(oval(x - 0.25 * radius, y - 0.3 * radius, radius * 0.3), (255, 255, 255), ink=False)
    else:
        sheet.shape(oval(x, y, radius * 1.3 * narrow, radius * (1.2 if kind == 2 else 0.95)), (252, 252, 248))
        sheet.shape(oval(x, y, radius * 0.85 * narrow, radius * 0.85), iris, ink=False)
        sheet.shape(oval(x, y, radius * (0.5 if kind < 4 else 0.22) * narrow, radius * 0.7), INK, ink=False)
        sheet.shape(oval(x - 0.2 * radius, y - 0.35 * radius, radius * 0.2), (255, 255, 255), ink=False)


def draw_ears(sheet, rng, kind, fur, inner, turn):
    size = rng.uniform(0.45, 0.75)
    for side in (-1, 1):
        x = side * math.cos(turn) * 0.62 + 0.1 * math.sin(turn)
        if kind == "pointed":
            tip = (x + side * 0.22, -0.75 - 0.9 * size)
            sheet.shape(np.concatenate([curve((x - 0.42, -0.62), (x - 0.3, -1.1), tip),
                                        curve(tip, (x + 0.38, -0.9), (x + 0.4, -0.3))]), fur)  # fmt: skip
            sheet.shape([(x - 0.2, -0.72), (tip[0], tip[1] + 0.25), (x + 0.22, -0.6)], inner, ink=False)
        elif kind == "round":
            sheet.shape(oval(x * 1.1, -0.72, 0.42 * size / 0.6), fur)
            sheet.shape(oval(x * 1.1, -0.72, 0.25 * size / 0.6), inner, ink=False)
        elif kind == "long":
            lean = side * rng.uniform(0.0, 0.35)
            sheet.shape(oval(x * 0.6 + lean / 2, -1.25, 0.2, 0.7, turn=lean), fur)
            sheet.shape(oval(x * 0.6 + lean / 2, -1.22, 0.1, 0.5, turn=lean), inner, ink=False)
        else:  # hanging
            sheet.shape(oval(x * 1.45, -0.05, 0.27, 0.5 + 0.35 * size, turn=-side * rng.uniform(0.0, 0.4)), inner)


def draw_front(rng, size: int) -> tuple[Sheet, np.ndarray, np.ndarray, str]:
    """A head seen from the front or turned by up to 55 degrees, its points (9, 3) and outline points in units."""
    kind = rng.choice(["cat", "dog", "bear", "rabbit", "fox", "bird"], p=[0.3, 0.32, 0.12, 0.08, 0.1, 0.08])
    fur, marking, light = palette(rng)
    sheet = Sheet(size, size / rng.uniform(4.2, 5.2), int(rng.choice([0, 4, 7, 12], p=[0.4, 0.2, 0.25, 0.15])))
    if rng.random() < 0.2:
        sheet.ink_colour = shade(fur, 0.4)
    turn = math.radians(rng.uniform(-55, 55) if rng.random() < 0.5 else rng.normal(0, 6))
    nod = rng.normal(0, 0.08)

    def place(x, y, z):
        return x * math.cos(turn) + z * math.sin(turn), y + nod * z

    wide, tall = rng.uniform(0.85, 1.2), rng.uniform(0.8, 1.05)
    ears = {"cat": "pointed", "fox": "pointed", "bear": "round", "rabbit": "long"}.get(
        kind, rng.choice(["hanging", "hanging", "pointed"])
    )
    if rng.random() < 0.75:  # a body behind
        sheet.shape(oval(0.15 * rng.normal(), 1.5, rng.uniform(0.7, 1.3), rng.uniform(0.9, 1.5)), shade(fur, 0.94))
    inner = shade(marking, 1.0) if ears == "hanging" or rng.random() < 0.5 else (236, 170, 160)
    if kind != "bird":
        draw_ears(sheet, rng, ears, fur, inner, turn)
    power = rng.uniform(2.0, 3.0)
    head = oval(0, 0, wide, tall, power=power)
    if kind in ("cat", "fox") and rng.random() < 0.5:  # cheeks that end in points
        angle = np.arctan2(head[:, 1], head[:, 0])
        head *= 1 + 0.22 * np.exp(-(((np.abs(np.abs(angle) - math.pi / 2) - math.pi / 3.2) / 0.2) ** 2))[:, None]
    sheet.shape(head, fur)
    if kind in ("dog", "bear") and ears == "hanging" and rng.random() < 0.7:
        draw_ears(sheet, rng, ears, fur, inner, turn)
    eye_x, eye_y = rng.uniform(0.3, 0.55), rng.uniform(-0.3, 0.08)
    left, right = place(-eye_x, eye_y, 0.75), place(eye_x, eye_y, 0.75)
    for at in (left, right):
        if kind == "bear" and rng.random() < 0.3:
            sheet.shape(oval(*at, 0.28, 0.34, turn=0.4 * np.sign(at[0])), marking, ink=False)
    if rng.random() < 0.25 and kind != "bird":
        at = (left, right)[rng.integers(2)]
        sheet.shape(oval(*at, 0.3, 0.36), marking, ink=False)
    if rng.random() < 0.3 and kind == "cat":
        for k in (-1, 0, 1):
            x, y = place(0.17 * k, -0.75, 0.6)
            sheet.line(curve((x, y), (x, y + 0.15), (x * 0.8, y + 0.3)), 0.06, marking)
    style = int(rng.integers(5)), tuple(int(v) for v in rng.integers(40, 230, 3)), rng.random() < 0.08
    radius = rng.uniform(0.1, 0.22)
    narrow = [max(0.35, math.cos(turn + side * 0.5)) for side in (-1, 1)]
    draw_eye(sheet, style, *left, radius, narrow[0])
    draw_eye(sheet, style, *right, radius, narrow[1])
    brow = place(0, eye_y - radius, 0.9)

    if kind == "bird":
        beak = (250, int(rng.integers(110, 200)), int(rng.integers(10, 70)))
        half, top, drop = rng.uniform(0.16, 0.34), rng.uniform(0.05, 0.2), rng.uniform(0.2, 0.45)
        open_by = rng.uniform(0.1, 0.35) if rng.random() < 0.4 else 0.0
        base = eye_y + top
        corner_l, corner_r = place(-half, base + 0.14, 0.9), place(half, base + 0.14, 0.9)
        tip = place(0, base + drop, 1.2)
        low = (tip[0], tip[1] + open_by)
        chin = (low[0] * 0.9, low[1] + 0.05)
        sheet.shape([corner_l, low, chin, corner_r], shade(beak, 0.75))
        if open_by:
            sheet.shape([corner_l, tip, corner_r, low], (120, 40, 40))
        sheet.shape(np.concatenate([curve(corner_l, place(0, base - 0.2, 1.0), corner_r), [tip]]), beak)
        points = [left, right, place(0, base + 0.02, 1.05), corner_l, corner_r, tip, low, chin, brow]
        return sheet, np.array(points), head, kind

    depth = 0.95 if kind in ("cat", "rabbit") else rng.uniform(1.0, 1.25)
    nose_y = eye_y + rng.uniform(0.28, 0.5)
    muzzle_w, muzzle_h = rng.uniform(0.3, 0.55), rng.uniform(0.22, 0.36)
    stem = rng.uniform(0.08, 0.2)
    open_by = rng.uniform(0.12, 0.5) if rng.random() < 0.4 else 0.0
    seam_y = nose_y + 0.1 + stem
    mouth_w = rng.uniform(0.14, 0.42)
    rise = rng.uniform(-0.12, 0.12)
    has_muzzle = rng.random() < 0.7
    jaw_y = seam_y + rng.uniform(0.14, 0.24)
    x, y = place(0, nose_y + 0.5 * stem + 0.05, depth - 0.1)
    if has_muzzle:
        jaw = oval(*place(0, jaw_y - 0.2 + open_by * 0.8, depth - 0.15), muzzle_w * 0.75, 0.2)
        sheet.shape(jaw, shade(light, 0.93))
        if rng.random() < 0.5:
            sheet.shape(oval(x, y, muzzle_w, muzzle_h), light, ink=rng.random() < 0.5)
        else:
            for side in (-1, 1):
                spot = place(side * muzzle_w * 0.45, nose_y + stem * 0.7 + 0.06, depth - 0.1)
                sheet.shape(oval(*spot, muzzle_w * 0.58, muzzle_h * 0.85), light, ink=False)
    corner_l, corner_r = place(-mouth_w, seam_y + rise, depth - 0.25), place(mouth_w, seam_y + rise, depth - 0.25)
    seam = np.array(place(0, seam_y, depth))
    lower = np.array(place(0, seam_y + open_by, depth - 0.05))
    stroke = rng.uniform(0.025, 0.06)
    dip = rng.uniform(0.02, 0.1)
    lip_l = curve(corner_l, ((corner_l[0] + seam[0]) / 2, max(corner_l[1], seam[1]) + dip), seam)
    lip_r = curve(seam, ((corner_r[0] + seam[0]) / 2, max(corner_r[1], seam[1]) + dip), corner_r)
    if open_by:
        below = 2 * lower - (np.array(corner_l) + corner_r) / 2
        cavity = np.concatenate([lip_l, lip_r, curve(corner_r, below, corner_l)])
        sheet.shape(cavity, (int(rng.integers(60, 150)), 24, 34))
        if rng.random() < 0.7:
            tongue = lower - (0, open_by * 0.3)
            sheet.shape(oval(*tongue, mouth_w * 0.45, open_by * 0.3), (232, 110, 120), ink=False)
        if rng.random() < 0.3:
            for side in (-1, 1):
                x0 = seam[0] + side * mouth_w * 0.5
                sheet.shape([(x0 - 0.05, seam[1] + dip), (x0 + 0.05, seam[1] + dip), (x0, seam[1] + dip + 0.13)],
                            (255, 255, 250), ink=False)  # fmt: skip
    sheet.line(lip_l, stroke)
    sheet.line(lip_r, stroke)
    nose = place(0, nose_y, depth + 0.05)
    sheet.line([nose, seam], stroke)
    nose_w = rng.uniform(0.09, 0.22)
    nose_h = nose_w * rng.uniform(0.55, 0.8)
    nose_colour = INK if rng.random() < 0.65 else (226, 120, 130)
    if rng.random() < 0.5:
        sheet.shape(oval(*nose, nose_w, nose_h, power=2.3), nose_colour, ink=False)
    else:
        a, b = nose
        top = curve((a - nose_w, b - nose_h * 0.6), (a, b - nose_h * 1.3), (a + nose_w, b - nose_h * 0.6))
        sheet.shape(np.concatenate([top, [(a, b + nose_h)]]), nose_colour, ink=False)
    if rng.random() < 0.5 and kind != "bear":
        for side in (-1, 1):
            for k in range(3):
                a, b = place(side * muzzle_w * 0.7, nose_y + stem + 0.05 * k, depth - 0.2)
                sheet.line(curve((a, b), (a + side * 0.3, b - 0.05), (a + side * 0.6, b + 0.12 * (k - 1))), 0.015)
    if has_muzzle:
        chin = np.array(place(0, jaw_y + open_by * 0.8, depth - 0.15))
        chin[1] = max(chin[1], lower[1] + 0.03)
    else:
        chin = np.array(place(0, tall, 0.3))
        chin[1] = max(tall, lower[1] + 0.03)
    points = np.array([left, right, nose, corner_l, corner_r, seam, lower, chin, brow])
    species = {"cat": "cat", "dog": "dog"}.get(kind, "other")
    return sheet, points, head, species


def draw_profile(rng, size: int) -> tuple[Sheet, np.ndarray, np.ndarray, str]:
    """A head that looks to the viewer's left: its near eye is `right_eye`, its near corner the right one."""
    kind = rng.choice(["cat", "dog", "fox", "horse", "bird"], p=[0.2, 0.38, 0.12, 0.14, 0.16])
    fur, marking, light = palette(rng)
    sheet = Sheet(size, size / rng.uniform(4.6, 5.6), int(rng.choice([0, 4, 7, 12], p=[0.4, 0.2, 0.25, 0.15])))
    if rng.random() < 0.8:
        neck = rng.uniform(0.5, 0.8)
        sheet.shape([(-0.3, 0.4), (0.6, -0.4), (1.5, 1.2), (1.6, 2.6), (-neck, 2.6), (-0.2, 1.0)], shade(fur, 0.93))
    reach = {"cat": rng.uniform(0.1, 0.3), "bird": 0}.get(kind, rng.uniform(0.5, 1.1))
    if kind == "horse":
        reach = rng.uniform(0.9, 1.3)
    thick = rng.uniform(0.26, 0.42)
    drop = rng.uniform(0.1, 0.35) + (0.35 if kind == "horse" else 0)
    open_by = rng.uniform(0.12, 0.4) if rng.random() < 0.4 else 0.0
    eye = np.array([rng.uniform(-0.5, -0.25), rng.uniform(-0.3, -0.05)])
    radius = rng.uniform(0.09, 0.18)
    style = int(rng.integers(5)), tuple(int(v) for v in rng.integers(40, 230, 3)), rng.random() < 0.08
    if kind == "bird":
        beak = (250, int(rng.integers(110, 200)), int(rng.integers(10, 70)))
        length, high = rng.uniform(0.35, 1.0), rng.uniform(0.18, 0.4)
        corner, hook = np.array([-0.85, 0.12]), rng.uniform(0, 0.25)
        tip = np.array([-0.9 - length, 0.08 + hook])
        low = tip + (0.12 + 0.3 * hook, 0.03 + open_by)
        chin = np.array([-0.85, 0.12 + 0.7 * high + 0.4 * open_by])
        chin = (chin + low) / 2 + (0.0, 0.05)
        sheet.shape([corner + (0.05, 0), low, chin, corner + (0.05, 0.6 * high)], shade(beak, 0.8))
        sheet.shape(np.concatenate([curve(corner - (0, high), (tip[0], -high * 0.6), tip), [corner]]), beak)
        sheet.line(curve(tip, (tip + corner) / 2, corner), 0.025)
        head = oval(0, 0, 1, rng.uniform(0.85, 1.0))
        sheet.shape(head, fur)
        draw_eye(sheet, style, *eye, radius, 1)
        nose = corner - (0.12 * length + 0.05, 0.55 * high)
        far = eye - (0.25, 0)
        points = [far, eye, nose, corner - (0.03, 0), corner, tip, low, chin, (eye + far) / 2 - (0, radius)]
        return sheet, np.array(points), np.concatenate([head, [tip, low]]), kind
    tip_x = -0.8 - reach
    root = np.array([-0.35, 0.42 + 0.2 * drop])
    front = np.array([tip_x + 0.12, 0.35 + drop])
    jaw_open = np.array([0.1 * open_by, open_by])
    lip, between = front + jaw_open, (root + front) / 2
    throat = between + (0.1, 0.3) + jaw_open / 2
    jaw = np.concatenate([
        curve(root + (0.3, 0.1), between + (0.05, 0.2), lip),
        curve(lip, lip + (0.05, 0.22), throat),
        curve(throat, root + (0.2, 0.45), root + (0.5, 0.4)),
    ])  # fmt: skip
    if open_by:
        sheet.shape([root, front, lip, root + (0.1, 0.1)], (130, 30, 44), ink=False)
        if rng.random() < 0.7:
            sheet.shape(oval(*((root + 2 * lip) / 3 + (0.1, -0.1)), 0.25, 0.08), (232, 110, 120))
    sheet.shape(jaw, shade(light, 0.95))
    head = oval(0, -0.05, 0.95, rng.uniform(0.75, 0.95))
    ears = "hanging" if kind == "dog" and rng.random() < 0.5 else "pointed"
    if ears == "pointed":
        for shift, factor in ((-0.2, 0.85), (0.15, 1.0)):
            tip = (0.25 + shift + rng.normal(0, 0.08), -1.2 - rng.uniform(0.0, 0.4))
            sheet.shape([(-0.2 + shift, -0.7), tip, (0.5 + shift, -0.5)], shade(fur, factor))
    bridge = rng.uniform(0.0, 0.25)  # 1 would be no stop between brow and nose
    snout = np.concatenate([
        curve((-0.55, -0.5), (-0.8 + 0.1 * bridge, -0.1 - bridge), (tip_x + 0.1, front[1] - 2 * thick * 0.75)),
        curve((tip_x + 0.1, front[1] - 2 * thick * 0.75), (tip_x - 0.14, front[1] - thick * 0.6), front),
        curve(front, (front + root) / 2 + (0, 0.1), root), [(0.3, 0.5)],
    ])  # fmt: skip
    sheet.shape(snout, light if rng.random() < 0.4 else fur)
    sheet.shape(head, fur, ink=False)
    if ears == "hanging":
        sheet.shape(oval(0.35, 0.15, 0.3, rng.uniform(0.5, 0.8), turn=rng.normal(0, 0.2)), marking)
    sheet.line(curve(front, (front + root) / 2 + (0, 0.1), root), 0.03)
    nose = np.array([tip_x + 0.05, front[1] - thick * 1.2])
    sheet.shape(oval(*nose, *rng.uniform(0.09, 0.16, 2)), INK if rng.random() < 0.8 else (226, 120, 130), ink=False)
    draw_eye(sheet, style, *eye, radius, 0.85)
    far = eye - (0.28, 0.02)
    low = lip
    chin = np.array([front[0] * 0.75 + root[0] * 0.25, jaw[:, 1].max() - 0.05])
    chin = jaw[np.argmin(np.linalg.norm(jaw - chin, axis=1))]
    points = [far, eye, nose, front + (0.1, -0.02), root, front, low, chin, (eye + far) / 2 - (0, radius)]
    species = {"cat": "cat", "dog": "dog"}.get(kind, "other")
    return sheet, np.array(points), np.concatenate([head, snout, jaw]), species


def draw_head(rng: np.random.Generator, size: int = 320) -> tuple[Image.Image, dict]:
    """A picture (RGBA) and its label: species, box, pose, keypoints (9, 3) in pixels; far points are hidden."""
    is_profile = rng.random() < 0.3
    sheet, points, outline, species = (draw_profile if is_profile else draw_front)(rng, size * LARGER)
    image = sheet.image
    if rng.random() < 0.5:  # light from one side
        y, x = np.mgrid[-1 : 1 : image.height * 1j, -1 : 1 : image.width * 1j]
        angle = rng.uniform(0, 2 * math.pi)
        light = 1 + rng.uniform(0.1, 0.45) * (x * math.cos(angle) + y * math.sin(angle))
        pixels = np.asarray(image).astype(np.float32)
        pixels[..., :3] *= light[..., None]
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGBA")
    if rng.random() < 0.35:  # paper, crayon, fur: the edges wander and the paint is uneven
        grain = rng.normal(0, 1, (size // 2, size // 2)).astype(np.float32)
        grain = np.asarray(Image.fromarray(grain).resize(image.size, Image.BICUBIC))
        pixels = np.asarray(image).astype(np.float32)
        pixels[..., :3] += rng.uniform(6, 22) * grain[..., None]
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGBA")
    if rng.random() < 0.1:
        image = Image.merge("RGBA", [image.convert("L").filter(ImageFilter.SMOOTH)] * 3 + [image.getchannel("A")])
    image = image.resize((size, size), Image.LANCZOS)
    seen = np.ones(9)
    if is_profile:
        seen[[0, 3]] = 0
    box = np.concatenate([outline, points])
    x1, y1, x2, y2 = *box.min(0), *box.max(0)
    if species != "bird" and not is_profile:  # half of the ears
        x1, y1, x2 = x1 - 0.1, y1 - 0.3, x2 + 0.1
    scale = sheet.unit / LARGER
    to_pixels = lambda p: np.asarray(p, float) * scale + size / 2  # noqa: E731
    corners = to_pixels([[x1, y1], [x2, y2]]).clip(0, size).ravel()
    keypoints = np.column_stack([to_pixels(points), seen])
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        corners[[0, 2]] = size - corners[[2, 0]]
        keypoints[:, 0] = size - keypoints[:, 0]
        keypoints = keypoints[[1, 0, 2, 4, 3, 5, 6, 7, 8]]
    turned = abs(keypoints[:2, 0].mean() - keypoints[2, 0])
    pose = "profile" if is_profile else "frontal" if turned < 12 else "threequarter"
    label = {"species": species, "box": corners.round(1).tolist(), "pose": pose}
    return image, label | {"keypoints": keypoints.round(1).tolist()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    sheet = Image.new("RGB", (6 * 220, 5 * 220), "white")
    for i in range(30):
        image, label = draw_head(rng)
        tile = Image.new("RGB", image.size, tuple(int(v) for v in rng.integers(120, 250, 3)))
        tile.paste(image, (0, 0), image)
        pen = ImageDraw.Draw(tile)
        pen.rectangle(label["box"], outline="blue")
        for x, y, score in label["keypoints"]:
            pen.ellipse([x - 3, y - 3, x + 3, y + 3], outline="red", fill="yellow" if score else None)
        sheet.paste(tile.resize((220, 220)), (i % 6 * 220, i // 6 * 220))
    sheet.save(args.out)


if __name__ == "__main__":
    main()
