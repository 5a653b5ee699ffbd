"""Faces, pictures and motions that the tests of the engine are made of."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from importlib.resources import files

import numpy as np
import torch
from hypothesis import strategies as st

from animal_lipsync.image import read_picture, to_frames
from animal_lipsync.schemas import LOWER_LIP
from animal_lipsync.types import Audio, Faces, FaceTrack, MouthMotion

# unit: half a mouth's width (front) or its length (side); origin: the upper lip
FRONT = [[-1.0, -1.9], [1.0, -1.9], [0, -0.8], [-1, -0.25], [1, -0.25], [0, 0], [0, 0], [0, 0.95], [0, -2.1]]
SIDE = [[-0.8, -0.7], [-0.75, -0.7], [0.05, -0.2], [-1, 0], [-0.9, 0.02], [0, 0], [0, 0], [-0.2, 0.3], [-0.5, -0.9]]
HEAD = 1.9
"""Side of a head's box, where 1 is the most that its keypoints are apart along one axis."""


def make_face(points=FRONT, *, at=(64.0, 64.0), size=16.0, turn=0.0, species="dog", gap=0.0, frames=1) -> FaceTrack:
    """A face whose upper lip lies `at` a pixel, turned by degrees (right about), the lips `gap` apart."""
    points = np.array(points, float)
    points[LOWER_LIP:8, 1] += gap
    angle = np.radians(turn)
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2 @ turned * size + at, HEAD * (high - low).max() / 2 * size
    points = points @ turned * size + at
    box = np.concatenate([middle - half, middle + half])
    return FaceTrack(
        np.tile(box, (frames, 1)).astype(np.float32),
        np.tile(points, (frames, 1, 1)).astype(np.float32),
        np.ones((frames, 9), np.float32),
        np.ones(frames, bool),
        species,
    )


def joined(*faces: FaceTrack) -> FaceTrack:
    """One track of the frames of several."""
    rows = {
        name: np.concatenate([getattr(face, name) for face in faces])
        for name in ("boxes", "keypoints", "score", "visible")
    }
    return replace(faces[0], **rows)


def as_document(face: FaceTrack, width: int, height: int, *, frame_rate=0) -> Faces:
    return Faces(width, height, Fraction(frame_rate), len(face), (face,))


def pose(length=1, **channels) -> MouthMotion:
    return MouthMotion.from_channels(Fraction(25), length, **channels)


def soft_picture(width: int, height: int, *, seed=0) -> torch.Tensor:
    """(1, 3, H, W) without an edge or grain, no two of its places alike."""
    rng = np.random.default_rng(seed)
    x, y = (np.arange(width) + 0.5) / 30, ((np.arange(height) + 0.5) / 30)[:, None]
    waves = rng.uniform(0.3, 1, (3, 2)), rng.uniform(0, 6, 3)
    picture = [0.5 + 0.2 * np.sin(x * k[0] + p) + 0.2 * np.cos(y * k[1] + x / 3) for k, p in zip(*waves, strict=True)]
    return torch.from_numpy(np.stack(picture)[None].astype(np.float32))


def rough_picture(width: int, height: int, *, frames=1, seed=0) -> torch.Tensor:
    """(N, 3, H, W) of noise: a pixel that moved at all has changed."""
    return torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(seed))


def sample_fox() -> tuple[torch.Tensor, FaceTrack]:
    """The animal that ships, at a quarter of its size: (1, 3, 256, 256), and its face."""
    samples = files("animal_lipsync") / "samples"
    faces = Faces.from_json((samples / "fox.faces.json").read_text())
    picture = to_frames(read_picture(samples / "fox.jpg")[None])
    picture = torch.nn.functional.avg_pool2d(picture, faces.width // 256)
    return picture, faces.tracks[0].scaled(256 / faces.width)


@st.composite
def any_faces(draw, largest=3000.0) -> FaceTrack:
    """What a detector could give: plausible, scattered, collapsed, mirrored, tiny, huge, outside the frame."""
    points = np.array(draw(st.sampled_from([FRONT, SIDE])))
    scatter = draw(st.sampled_from([0.0, 0.1, 0.5, 3.0]))
    unit = st.floats(-1, 1, allow_subnormal=False)
    if scatter:
        points += scatter * np.array(draw(st.lists(unit, min_size=18, max_size=18))).reshape(9, 2)
    for index, other in draw(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=9)):
        points[index] = points[other]
    if draw(st.booleans()):
        points[:, 0] *= -1
    return make_face(
        points,
        at=(draw(unit) * largest, draw(unit) * largest),
        size=draw(st.sampled_from([0.0, 0.3, 5.0, 40.0, 300.0, largest])),
        turn=draw(st.floats(0, 360)),
        species=draw(st.sampled_from(["dog", "cat", "rabbit", "parrot"])),
        gap=draw(st.sampled_from([0.0, 0.0, 0.3, 1.0, 4.0])),
    )


@st.composite
def any_poses(draw) -> MouthMotion:
    """Mouth channels, mostly at their ends."""
    amount = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)
    names = ("jaw_open", "mouth_wide", "mouth_pucker", "mouth_close", "tongue_out")
    return pose(**{name: draw(amount) for name in names})


def speak(seconds, *, sample_rate=16_000, channels=1):
    """A buzz that swells three times a second, as syllables do."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    buzz = np.sin(2 * np.pi * 140 * t) + 0.6 * np.sin(2 * np.pi * 1000 * t)
    buzz = 0.4 * buzz * np.sin(np.pi * 3 * t) ** 2
    return Audio(np.tile(buzz.astype(np.float32), (channels, 1)), sample_rate)
