"""A picture of a voice and its mouth over time: waveform, visemes, drawn mouths and the curves of the motion."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .audio import to_mono
from .types import Audio, MouthMotion

FINER = 2
"""Everything is drawn this much larger and scaled down, which smooths the edges."""
SIZE = (1600, 800)
LEFT, RIGHT = 118, 1570
WAVE = (78, 208)
CUES = (222, 268)
MOUTHS = (282, 418)
CURVES = (440, 740)
"""Pixels: what the rows lie between, from the top."""
PITCH = 104
"""Pixels from one drawn mouth to the next, at least."""
NARROWEST = 15
"""Pixels of a cue whose name is written into it."""

GROUND, PANEL, GRID, SHADE = "#17181d", "#1f2128", "#343741", "#50382f"
TEXT, FAINT, WAVE_COLOUR = "#eceef4", "#8d93a3", "#6f8cff"
CURVE_COLOURS = {
    "jaw_open": "#ff8a4c",
    "mouth_wide": "#4cc9b0",
    "mouth_pucker": "#c58bff",
    "mouth_close": "#ff5d73",
    "head_pitch": "#8d93a3",
}
COLOURS = {
    **dict.fromkeys(("sil",), "#3a3d48"),
    **dict.fromkeys(("PP",), "#d94a60"),
    **dict.fromkeys(("FF", "TH"), "#c98a2b"),
    **dict.fromkeys(("DD", "kk", "CH", "SS", "nn", "RR"), "#4a7fb0"),
    **dict.fromkeys(("ih",), "#2f9e8a"),
    **dict.fromkeys(("E",), "#c7743a"),
    **dict.fromkeys(("aa",), "#e8763a"),
    **dict.fromkeys(("oh", "ou"), "#8d63cc"),
}
FUR, MUZZLE, NOSE, INSIDE, TONGUE, TOOTH = "#d9813f", "#f6e6d2", "#33262a", "#5a1620", "#e2707c", "#fffaf0"


def draw_chart(
    motion: MouthMotion, voice: Audio | None = None, *, start: float = 0.0, seconds: float = 6.0
) -> np.ndarray:
    """uint8 (800, 1600, 3) of `seconds` of a motion from `start` on, over the voice if there is one.

    Raises:
        ValueError: the motion is empty or over by then.
    """
    duration = len(motion) / float(motion.frame_rate)
    if not 0 <= start < duration or not seconds > 0:
        raise ValueError(f"start must lie before the end of the motion, which lasts {duration:.2f} s, got {start:g}.")
    seconds = min(seconds, duration - start)
    sheet = _Sheet(start, seconds)
    sheet.title(motion, duration)
    sheet.grid()
    sheet.wave(voice)
    sheet.words(motion)
    sheet.cues(motion)
    sheet.mouths(motion)
    sheet.curves(motion)
    return np.asarray(sheet.picture.resize(SIZE, Image.Resampling.LANCZOS))


class _Sheet:
    """The picture while it is drawn; positions in pixels of the finished one."""

    def __init__(self, start: float, seconds: float):
        self.start, self.seconds = start, seconds
        self.picture = Image.new("RGB", [FINER * side for side in SIZE], GROUND)
        self.pen = ImageDraw.Draw(self.picture)

    def x(self, time: float | np.ndarray):
        return LEFT + (time - self.start) / self.seconds * (RIGHT - LEFT)

    def times(self, count: int) -> np.ndarray:
        return self.start + (np.arange(count) + 0.5) / count * self.seconds

    def box(self, left: float, top: float, right: float, bottom: float, colour: str, radius: float = 6) -> None:
        self.pen.rounded_rectangle([FINER * v for v in (left, top, right, bottom)], FINER * radius, colour)

    def line(self, points: np.ndarray, colour: str, width: float) -> None:
        self.pen.line([tuple(point) for point in FINER * points], colour, round(FINER * width), joint="curve")

    def fill(self, points: np.ndarray, colour: str) -> None:
        self.pen.polygon([tuple(point) for point in FINER * points], colour)

    def text(self, x: float, y: float, text: str, size: int, colour: str = TEXT, anchor: str = "lm") -> None:
        self.pen.text((FINER * x, FINER * y), text, colour, ImageFont.load_default(FINER * size), anchor)

    def title(self, motion: MouthMotion, duration: float) -> None:
        said = " ".join((motion.visemes.text or "Mouth motion")[:400].split())
        font = ImageFont.load_default(FINER * 24)
        while len(said) > 1 and font.getlength(said) > FINER * 1120:
            said = said.removesuffix("…")[:-1].rstrip() + "…"
        self.text(30, 38, said, 24)
        rate = float(motion.frame_rate)
        shown = f"{self.start:.1f} to {self.start + self.seconds:.1f} of {duration:.1f} s"
        self.text(RIGHT, 38, f"{shown}   {rate:.5g} frames/s", 16, FAINT, "rm")

    def grid(self) -> None:
        for top, bottom, name in ((*WAVE, "voice"), (*CUES, "visemes"), (*MOUTHS, "mouth"), (*CURVES, "motion")):
            self.box(LEFT, top, RIGHT, bottom, PANEL)
            self.text(LEFT - 16, (top + bottom) / 2, name, 15, FAINT, "rm")
        step = next(step for step in (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 3600) if self.seconds / step <= 14)
        for index in range(int(np.ceil(self.start / step)), int((self.start + self.seconds) / step + 1e-9) + 1):
            x = self.x(index * step)
            for top, bottom in (WAVE, CURVES):
                self.line(np.array([(x, top), (x, bottom)]), GRID, 1)
            self.text(x, CURVES[1] + 20, f"{index * step:g} s", 14, FAINT, "mm")

    def wave(self, voice: Audio | None) -> None:
        middle, reach = (WAVE[0] + WAVE[1]) / 2, (WAVE[1] - WAVE[0]) / 2 - 8
        columns = np.linspace(LEFT, RIGHT, FINER * (RIGHT - LEFT))
        heights = np.zeros(len(columns))
        if voice is not None and voice.waveform.size:
            samples = np.abs(to_mono(voice).waveform[0])
            edges = (self.start + np.linspace(0, 1, len(columns) + 1) * self.seconds) * voice.sample_rate
            edges = np.clip(edges.astype(int), 0, len(samples) - 1)
            heights = np.maximum.reduceat(samples, edges[:-1]) * (np.diff(edges) > 0)
            heights = heights / max(samples.max(), 0.05) * reach
        for column, height in zip(columns.tolist(), np.maximum(heights, 0.5).tolist(), strict=True):
            self.line(np.array([(column, middle - height), (column, middle + height)]), WAVE_COLOUR, 0.5)

    def words(self, motion: MouthMotion) -> None:
        free = LEFT
        for start, end, word in motion.visemes.words:
            x, width = self.x((start + end) / 2), ImageFont.load_default(15).getlength(word)
            if x - width / 2 > free and x + width / 2 < RIGHT:
                self.text(x, WAVE[1] - 12, word, 15, TEXT, "mm")
                free = x + width / 2 + 6

    def cues(self, motion: MouthMotion) -> None:
        for cue in motion.visemes.cues:
            left, right = (float(np.clip(self.x(time), LEFT, RIGHT)) for time in (cue.start, cue.end))
            if right - left < 0.5:
                continue
            self.box(left + 0.5, CUES[0], right - 0.5, CUES[1], COLOURS.get(cue.viseme, FAINT), 4)
            if right - left > NARROWEST:
                size = 16 if right - left > 28 else 12
                self.text((left + right) / 2, sum(CUES) / 2, cue.viseme, size, TEXT, "mm")

    def mouths(self, motion: MouthMotion) -> None:
        count = int((RIGHT - LEFT) / PITCH)
        side = FINER * (MOUTHS[1] - MOUTHS[0])
        for time in self.times(count):
            frame = min(len(motion) - 1, int(time * motion.frame_rate + 0.5))
            tile = draw_muzzle({name: float(motion.channel(name)[frame]) for name in motion.channels}, side)
            self.picture.paste(tile, (round(FINER * self.x(time) - side / 2), FINER * MOUTHS[0]), tile)

    def curves(self, motion: MouthMotion) -> None:
        top, bottom = CURVES[0] + 40, CURVES[1] - 14
        times = self.times(RIGHT - LEFT)
        x = self.x(times)
        legend = LEFT + 16
        for name, colour in CURVE_COLOURS.items():
            values = motion.channel(name)
            if name == "head_pitch":
                if not values.any():
                    continue
                values = 0.5 - values / max(2 * np.abs(values).max(), 1e-6)
            frames = np.arange(len(motion)) / float(motion.frame_rate)
            y = bottom - np.interp(times, frames, values) * (bottom - top)
            if name == "jaw_open":
                points = np.concatenate([np.stack([x, y], 1), [(x[-1], bottom), (x[0], bottom)]])
                self.fill(points, SHADE)
            self.line(np.stack([x, y], 1), colour, 3 if name == "jaw_open" else 2)
            self.box(legend, CURVES[0] + 17, legend + 22, CURVES[0] + 21, colour, 2)
            label = name.replace("_", " ")
            self.text(legend + 30, CURVES[0] + 19, label, 15)
            legend += 56 + ImageFont.load_default(15).getlength(label)


def draw_muzzle(pose: dict[str, float], side: int) -> Image.Image:
    """RGBA of `side` x `side` pixels: a fox's face from the front whose mouth takes a pose of channels and values."""
    tile = Image.new("RGBA", (side, side))
    pen = ImageDraw.Draw(tile)

    def at(points) -> list[tuple[float, float]]:
        return [(side * (0.5 + 0.345 * x), side * (0.46 + 0.345 * y)) for x, y in np.asarray(points, float)]

    across = np.linspace(-1, 1, 41)
    gap = pose.get("jaw_open", 0) * (1 - pose.get("mouth_close", 0))
    half = 0.56 * (1 + 0.28 * pose.get("mouth_wide", 0) - 0.5 * pose.get("mouth_pucker", 0))
    seam = 0.02 + 0.09 * np.sin(np.pi * np.abs(across)) - 0.1 * np.abs(across)
    upper = np.stack([half * across, seam], axis=1)
    lower = np.stack([half * across, seam + 0.86 * gap * (1 - across**2) ** 0.7], axis=1)
    width = round(side / 64)

    pen.polygon(at(_oval(0, -0.12, 1.0, 0.98)), FUR)
    pen.polygon(at(_oval(0, 0.3 + 0.36 * gap, 0.6, 0.5 + 0.32 * gap)), FUR)
    for x, y, wide, high in ((0, 0.28 + 0.36 * gap, 0.5, 0.42 + 0.3 * gap), (-0.34, -0.1, 0.46, 0.42)):
        pen.polygon(at(_oval(x, y, wide, high)), MUZZLE)
        pen.polygon(at(_oval(-x, y, wide, high)), MUZZLE)
    if gap > 0.02:
        inside, lips = Image.new("RGB", tile.size, INSIDE), Image.new("L", tile.size)
        brush = ImageDraw.Draw(inside)
        out = pose.get("tongue_out", 0)
        brush.polygon(at(_oval(0, 0.1 + (0.72 - 0.2 * out) * gap, 0.6 * half, 0.3 * gap + 0.14 * out)), TONGUE)
        for x in (-0.5 * half, 0.5 * half):
            brush.polygon(at([(x - 0.07, 0), (x + 0.07, 0), (x, 0.24)]), TOOTH)
        ImageDraw.Draw(lips).polygon(at(np.concatenate([upper, lower[::-1]])), 255)
        tile.paste(inside, mask=lips)
        pen.line(at(lower), NOSE, width, joint="curve")
    pen.line(at(upper), NOSE, width, joint="curve")
    pen.line(at([(0, -0.3), (0, 0.03)]), NOSE, width)
    pen.polygon(at([(-0.24, -0.5), (0.24, -0.5), (0.19, -0.38), (0, -0.24), (-0.19, -0.38)]), NOSE)
    pen.polygon(at(_oval(0, -0.48, 0.24, 0.09)), NOSE)
    return tile


def _oval(x: float, y: float, wide: float, high: float) -> np.ndarray:
    """(48, 2) points of an ellipse of these half axes."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + wide * np.cos(angle), y + high * np.sin(angle)], axis=1)
