"""Paint heads and shoulders of people who do not exist, shaded as a camera would see them: what is no animal.

    python dev/keypoints/people.py --seed 5 --out sheet.png     # a sheet of 30, to look at

A head is a surface over the picture: an ellipsoid with a nose, brows, cheeks and lips on it, lit from somewhere. Units
are half its height, x to the right and y down. Nobody's photograph went into it.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 256
"""Pixels along a painted picture."""
SKIN = ((255, 224, 196), (241, 194, 158), (224, 172, 132), (198, 134, 92), (161, 102, 68), (112, 70, 48), (70, 46, 36))
HAIR = ((24, 20, 20), (52, 36, 28), (92, 62, 40), (140, 98, 58), (196, 160, 104), (226, 206, 160), (150, 64, 34))
GREY = ((150, 148, 146), (214, 212, 208))
LIPS = (176, 74, 76)


def bump(x, y, at: tuple[float, float], width: float, height: float, turn: float = 0.0) -> np.ndarray:
    """A Gaussian hill of height 1."""
    dx, dy = x - at[0], y - at[1]
    cos, sin = math.cos(turn), math.sin(turn)
    return np.exp(-(((cos * dx + sin * dy) / width) ** 2) - ((cos * dy - sin * dx) / height) ** 2)


def inside(distance: np.ndarray, blur: float) -> np.ndarray:
    """1 where `distance` is below 0, fading over `blur` on either side."""
    return np.clip(0.5 - distance / (2 * blur), 0, 1)


def clouds(rng, cells: int, stretch: float = 1.0) -> np.ndarray:
    """(SIDE, SIDE) smooth noise of deviation 1; `stretch` times as many cells across as down, as hair falls."""
    field = rng.standard_normal((cells, max(2, round(cells * stretch)))).astype(np.float32)
    image = np.array(Image.fromarray(field).resize((SIDE, SIDE), Image.BICUBIC))
    return image / image.std()


def pick(rng, colours) -> np.ndarray:
    """One of `colours`, a little off it, in [0, 1]."""
    colour = np.array(colours[rng.integers(len(colours))]) * rng.normal(1, 0.12) + rng.normal(0, 5, 3)
    return np.clip(colour, 4, 255) / 255


class Canvas:
    """Colour and cover that grow as things are laid over each other, back to front."""

    def __init__(self):
        self.colour, self.cover = np.zeros((SIDE, SIDE, 3)), np.zeros((SIDE, SIDE))

    def lay(self, colour: np.ndarray, mask: np.ndarray):
        mask = np.clip(mask, 0, 1)
        self.colour += (colour - self.colour) * mask[..., None]
        self.cover = np.maximum(self.cover, mask)


def paint_person(rng: np.random.Generator) -> Image.Image:
    """A head with neck and shoulders, RGBA, transparent round it."""
    scale = rng.uniform(1.1, 2.3)  # half the picture, in units of the head
    at = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(at * scale, at * scale + rng.uniform(-0.1, 0.5))
    yaw, pitch = np.clip(rng.normal(0, 0.4), -0.9, 0.9), rng.normal(0, 0.15)
    wide, soft = rng.uniform(0.66, 0.82), 0.03
    skin, hair = pick(rng, SKIN), pick(rng, HAIR + GREY)

    def place(px: float, py: float) -> tuple[float, float]:
        """Where a feature at (px, py) of the face lies once the head is turned."""
        pz = 0.9 * math.sqrt(max(0.0, 1 - (px / wide) ** 2 - 0.8 * py**2))
        return px * math.cos(yaw) + pz * math.sin(yaw), py * math.cos(pitch) + pz * math.sin(pitch)

    # the oval: narrower at the jaw
    jaw = rng.uniform(0.75, 1.0)
    taper = np.where(y > 0, 1 - (1 - jaw) * np.clip(y, 0, 1), 1)
    power = rng.uniform(2.0, 2.6)
    radius = (np.abs(x / (wide * taper)) ** power + np.abs(y) ** power) ** (1 / power)
    face = inside(radius - 1, soft)

    # the surface and its light
    eye_y, eye_x = rng.uniform(-0.16, -0.04), rng.uniform(0.27, 0.34)
    nose_y, mouth_y = rng.uniform(0.22, 0.34), rng.uniform(0.52, 0.64)
    eyes = [place(side * eye_x, eye_y) for side in (-1, 1)]
    nose, mouth = place(0, nose_y), place(0, mouth_y)
    nose = (nose[0] + 0.12 * math.sin(yaw), nose[1])
    nose_width, mouth_width = rng.uniform(0.09, 0.16), rng.uniform(0.2, 0.42)
    surface = 0.9 * np.sqrt(np.clip(1 - np.minimum(radius, 0.995) ** 2, 0, 1))
    bridge = ((nose[0] + place(0, eye_y)[0]) / 2, (nose[1] + eye_y) / 2)
    lean = math.atan2(place(0, eye_y)[0] - nose[0], nose[1] - eye_y)
    surface += rng.uniform(0.1, 0.2) * bump(x, y, bridge, 0.07, 0.3, lean)
    surface += rng.uniform(0.12, 0.22) * bump(x, y, nose, nose_width, 0.11)
    for side, eye in zip((-1, 1), eyes, strict=True):
        surface -= 0.07 * bump(x, y, eye, 0.17, 0.1)
        surface += 0.06 * bump(x, y, place(side * eye_x, eye_y - 0.16), 0.22, 0.06)
        surface += rng.uniform(0.02, 0.09) * bump(x, y, place(side * 0.36, 0.22), 0.17, 0.15)
        surface += 0.05 * bump(x, y, (nose[0] + side * nose_width, nose[1] + 0.03), 0.05, 0.06)
    surface += 0.05 * bump(x, y, (mouth[0], mouth[1] + 0.06), 0.2, 0.05) + 0.06 * bump(x, y, place(0, 0.85), 0.2, 0.12)
    step = x[0, 1] - x[0, 0]
    slope_y, slope_x = np.gradient(surface, step)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(x)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = np.array([rng.normal(0, 0.6), rng.normal(-0.5, 0.4), 1.0])
    light /= np.linalg.norm(light)
    lit = np.clip(normal @ light, 0, 1)
    ambient = rng.uniform(0.25, 0.65)
    shade = ambient + (1 - ambient) * lit
    halfway = light + (0, 0, 1)
    gloss = rng.uniform(0, 0.35) * np.clip(normal @ (halfway / np.linalg.norm(halfway)), 0, 1) ** 24

    canvas = Canvas()
    style = rng.choice(["bald", "short", "short", "long", "curly", "bun"])
    if style == "curly":
        strands = 1 + 0.2 * clouds(rng, rng.integers(12, 50)) + 0.15 * clouds(rng, 90)
    else:
        strands = 1 + 0.2 * clouds(rng, rng.integers(4, 14), 9) + 0.12 * clouds(rng, 5, 3) + 0.08 * clouds(rng, 60)
    locks = (hair * np.clip(strands, 0.3, 2)[..., None]) * (0.75 + 0.4 * lit[..., None].mean())
    edge = 0.06 * clouds(rng, 9)
    if style == "long":
        fall = rng.uniform(0.7, 1.7)
        canvas.lay(locks, inside(np.abs(x) - wide * rng.uniform(1.1, 1.4) - edge, 0.05) * inside(-0.2 - y, 0.1)
                   * inside(y - fall - edge, 0.08))  # fmt: skip
    # shoulders and neck
    cloth = pick(rng, tuple(map(tuple, rng.integers(0, 256, (4, 3)))))
    folds = 1 + 0.1 * clouds(rng, 5) + (0.15 * np.sin(y * rng.uniform(10, 60)) if rng.random() < 0.25 else 0)
    slant = rng.uniform(0.15, 0.4)
    shoulders = inside(1.25 + slant * np.maximum(np.abs(x) - 0.25, 0) ** 1.5 - y, 0.03)
    canvas.lay(cloth * np.clip(folds, 0.3, 2)[..., None], shoulders * inside(np.abs(x) - rng.uniform(1.3, 2.2), 0.05))
    throat = inside(np.abs(x - 0.1 * math.sin(yaw)) - rng.uniform(0.36, 0.5), 0.04) * inside(0.3 - y, 0.1)
    canvas.lay(skin * (0.62 + 0.25 * ambient), throat * inside(y - rng.uniform(1.25, 1.7) + 0.8 * np.abs(x), 0.05))
    for side in (-1, 1):  # ears
        canvas.lay(skin * 0.85, (math.cos(yaw - side * 0.9) > 0.1) * inside(
            np.hypot((x - side * wide * 1.02 + 0.15 * math.sin(yaw)) / 0.11, (y - 0.05) / 0.22) - 1, 0.15))  # fmt: skip
    blotches = 1 + 0.03 * clouds(rng, 6) + 0.02 * clouds(rng, 40)
    blush = sum(bump(x, y, place(side * 0.36, 0.25), 0.2, 0.16) for side in (-1, 1)) + bump(x, y, nose, 0.12, 0.12)
    tone = skin * (1 - rng.uniform(0, 0.12) * blush[..., None] * np.array([-0.3, 1, 0.8]))
    canvas.lay(np.clip(tone * (shade * blotches)[..., None] + gloss[..., None], 0, 1), face)

    # what is drawn on the face, dimmed by its light
    def draw(colour, mask):
        canvas.lay(np.clip(np.asarray(colour) * shade[..., None], 0, 1), mask * face)

    beard = rng.random()
    if beard < 0.3:
        below = inside(mouth[1] - 0.22 - y + 0.25 * np.abs(x - mouth[0]) * (beard < 0.1) + edge, 0.08)
        mask = below * np.clip(0.85 + 0.2 * clouds(rng, 60), 0, 1) * rng.uniform(0.3, 1)
        draw(hair * np.clip(strands, 0.4, 1.8)[..., None], mask)
    if rng.random() < 0.15 or beard < 0.15:
        draw(hair, 0.9 * bump(x, y, (mouth[0], (nose[1] + mouth[1]) / 2 + 0.03), mouth_width, 0.06))
    lip = np.clip(np.array(LIPS) / 255 * rng.uniform(0.7, 1.1) * 0.55 + skin * 0.5, 0, 1)
    mx, my = (x - mouth[0]) / mouth_width, y - mouth[1] + rng.uniform(-0.05, 0.18) * ((x - mouth[0]) / mouth_width) ** 2
    fullness = rng.uniform(0.04, 0.08) * np.sqrt(np.clip(1 - mx**2, 0, 1))
    draw(lip, inside(np.abs(my) - fullness, 0.015) * (np.abs(mx) < 1))
    gap = rng.uniform(0, 0.16) * np.sqrt(np.clip(1 - (mx / 0.9) ** 2, 0, 1)) * (rng.random() < 0.5)
    teeth = (0.93, 0.91, 0.86) if rng.random() < 0.7 else (0.25, 0.08, 0.08)
    draw(teeth, inside(np.abs(my) - 0.6 * gap, 0.012) * (gap > 0.01))
    draw(lip * 0.35, np.exp(-((my / 0.014) ** 2)) * (np.abs(mx) < 1) * (gap <= 0.01))
    for side in (-1, 1):
        draw(skin * 0.25, 0.8 * bump(x, y, (nose[0] + side * nose_width * 0.5, nose[1] + 0.075), 0.035, 0.022))
    opened, brow, large = rng.uniform(0.3, 0.5), rng.uniform(0.13, 0.22), rng.uniform(0.85, 1.35)
    iris = pick(rng, ((60, 40, 28), (90, 66, 40), (70, 100, 130), (80, 110, 80)))
    glasses, dark = rng.random() < 0.25, rng.random() < 0.25
    for side, (ex, ey) in zip((-1, 1), eyes, strict=True):
        narrow = 0.13 * large * max(0.35, math.cos(yaw - side * 0.35))
        dx, dy = (x - ex) / narrow, (y - ey) / (0.13 * large)
        almond = inside(np.abs(dy) - opened * np.sqrt(np.clip(1 - dx**2, 0, 1)), 0.12) * (np.abs(dx) < 1)
        draw((0.9, 0.88, 0.86), almond)
        ball = np.hypot(dx * narrow, dy * 0.13 * large) / large
        draw(iris, almond * inside(ball - 0.062, 0.01))
        draw((0.02, 0.02, 0.02), almond * inside(ball - 0.028, 0.008))
        canvas.lay(np.ones(3), almond * 0.9 * bump(x, y, (ex + 0.02, ey - 0.025), 0.014, 0.014))
        lid = np.exp(-(((dy + opened * np.sqrt(np.clip(1 - dx**2, 0, 1))) / 0.12) ** 2)) * (np.abs(dx) < 1.05)
        draw(skin * 0.25, 0.8 * lid)
        tilt = side * rng.uniform(-0.1, 0.25)
        draw(hair * 0.8, rng.uniform(0.5, 1) * bump(x, y, (ex, ey - brow), 0.17, rng.uniform(0.02, 0.045), tilt))
        if glasses:
            lens = np.maximum(np.abs(x - ex) / 0.22, np.abs(y - ey - 0.03) / rng.uniform(0.15, 0.2)) - 1
            canvas.lay(np.full(3, 0.08), inside(lens, 0.04) * face * dark)
            rim = np.abs(lens)
            canvas.lay(np.full(3, rng.uniform(0, 0.4)), inside(rim - 0.07, 0.04) * face)
    if rng.random() < 0.1:  # from behind
        canvas.lay(locks, inside(radius - 1.08 - edge, 0.05) * inside(y - rng.uniform(0.5, 1.1) - edge, 0.06))
    elif style != "bald":
        line = rng.uniform(-0.72, -0.4) + rng.uniform(-0.3, 0.5) * (x - rng.uniform(-0.4, 0.4)) ** 2 + edge
        cap = inside(radius - rng.uniform(1.06, 1.3 if style in ("curly", "bun") else 1.16) - edge, 0.05)
        sides = inside(0.9 - radius + 0.6 * np.abs(y + 0.2), 0.05) * inside(y - rng.uniform(-0.1, 0.4), 0.1)
        canvas.lay(locks, cap * np.maximum(inside(y - line, 0.05), sides))
    if rng.random() < 0.12:  # a hat
        hat = pick(rng, tuple(map(tuple, rng.integers(0, 256, (4, 3)))))
        brim = rng.uniform(-0.6, -0.3)
        canvas.lay(hat, inside(radius - 1.2, 0.03) * inside(y - brim, 0.03))
        canvas.lay(hat * 0.7, inside(np.abs(y - brim) - 0.06, 0.02) * inside(np.abs(x) - rng.uniform(0.8, 1.3), 0.03))
    pixels = np.concatenate([canvas.colour, canvas.cover[..., None]], -1)
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8), "RGBA")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    sheet = Image.new("RGB", (6 * SIDE, 5 * SIDE), (120, 130, 140))
    for i in range(30):
        person = paint_person(np.random.default_rng(args.seed * 30 + i))
        sheet.paste(person, (i % 6 * SIDE, i // 6 * SIDE), person)
    sheet.save(args.out)


if __name__ == "__main__":
    main()
