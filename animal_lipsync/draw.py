"""Draws a face's keypoints into pictures: to check them, or as conditioning for ControlNet-style samplers."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .rig import build_rig
from .schemas import CHIN, LEFT_EYE, LOWER_LIP, MOUTH_LEFT, MOUTH_RIGHT, NOSE, RIGHT_EYE, UPPER_LIP
from .types import Faces, FaceTrack

UPPER = (230, 60, 60)
LOWER = (60, 140, 255)
JAW = (70, 200, 120)
POINT = (255, 220, 60)


def draw_landmarks(pixels: np.ndarray, face: FaceTrack) -> np.ndarray:
    """A copy of uint8 (H, W, 3) with the upper lip red, the lower lip blue, the jaw green and eyes and nose yellow.

    Args:
        face: one row, in these pixels. Points of score 0 are drawn hollow; a face not visible is not drawn.
    """
    if not face.visible[0]:
        return pixels.copy()
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    points, score = face.keypoints[0], face.score[0]
    size = float(np.clip((face.boxes[0, 2:] - face.boxes[0, :2]).max(), 16, max(pixels.shape)))
    width, radius = max(1, round(size / 130)), max(1.5, size / 90)
    pen.rectangle([tuple(face.boxes[0, :2]), tuple(face.boxes[0, 2:])], outline=JAW, width=max(1, width // 2))
    left, right = points[MOUTH_LEFT], points[MOUTH_RIGHT]
    rig = build_rig(face)
    side = bool(rig.profile[0] > 0.5)
    jaw = [left, points[CHIN], right] if not side else [(left + right) / 2, points[CHIN], points[LOWER_LIP]]
    pen.line(_curve(jaw), fill=JAW, width=width)
    for lip, colour in ((UPPER_LIP, UPPER), (LOWER_LIP, LOWER)):
        line = [left, points[lip], right] if not side else [(left + right) / 2, points[lip]]
        pen.line(_curve(line), fill=colour, width=width)
    colours = {MOUTH_LEFT: UPPER, MOUTH_RIGHT: UPPER, UPPER_LIP: UPPER, LOWER_LIP: LOWER, CHIN: JAW}
    for index in (LEFT_EYE, RIGHT_EYE, NOSE, *colours):
        x, y = points[index]
        spot = [x - radius, y - radius, x + radius, y + radius]
        colour = colours.get(index, POINT)
        pen.ellipse(spot, fill=colour if score[index] > 0 else None, outline=colour, width=max(1, width // 2))
    return np.array(image)


def draw_faces(pixels: np.ndarray, faces: Faces, frame: int = 0, *, speaker: int | None = None) -> np.ndarray:
    """A copy of uint8 (H, W, 3) with every face of a frame drawn in, numbered; the one that speaks in yellow."""
    for track in faces.tracks:
        pixels = draw_landmarks(pixels, track[min(frame, len(track) - 1) :][:1])
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(12, min(image.size) / 24))
    for i, track in enumerate(faces.tracks):
        row = min(frame, len(track) - 1)
        if not track.visible[row]:
            continue
        x, y = track.boxes[row, :2].clip(0)
        place = pen.textbbox((x, y), f" {i} ", font=font)
        pen.rectangle(place, fill=POINT if i == speaker else JAW)
        pen.text((x, y), f" {i} ", fill="black", font=font)
    return np.array(image)


def telling_frame(faces: Faces) -> int:
    """The first frame that shows as many of the faces as any."""
    seen = [np.broadcast_to(track.visible, faces.frames) for track in faces.tracks]
    return int(np.sum(seen, axis=0).argmax()) if seen else 0


def _curve(points: list[np.ndarray]) -> list[tuple[float, float]]:
    """A polyline through two points, or along the parabola through three."""
    if len(points) == 2:
        return [tuple(map(float, point)) for point in points]
    t = np.linspace(0, 1, 25)[:, None]
    start, middle, end = (np.asarray(point, float) for point in points)
    control = 2 * middle - (start + end) / 2
    return [tuple(p) for p in (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end]
