"""Runs an engine over frames of any size and number: only the region it changes, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from .image import to_frames, to_pixels
from .types import FaceTrack, MouthMotion

BATCH_PIXELS = 4_000_000
"""Pixels an engine is given at once; more do not make it faster, only larger."""


class MouthEngine(Protocol):
    """Draws a speaking mouth."""

    def region(self, face: FaceTrack, motion: MouthMotion, width: int, height: int) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 of the part of a `width` x `height` frame that the engine may change."""

    def __call__(self, frames: Tensor, face: FaceTrack, motion: MouthMotion, *, canvas) -> Tensor:
        """(N or 1, 3, h, w) float32 frames -> (len(motion), 3, h, w); `canvas` is the whole picture in their pixels."""


class Rendered(NamedTuple):
    pixels: np.ndarray
    """uint8 (H, W, 3); of a still it is the same array each time, so copy what you keep."""
    changed: tuple[int, int, int, int] | None
    """The box outside which the frame equals the one before; None where all of it may differ."""


def render(
    frames: Iterable[np.ndarray],
    face: FaceTrack,
    motion: MouthMotion,
    engine: MouthEngine,
    *,
    device: str = "cpu",
) -> Iterator[Rendered]:
    """Frames of the animal speaking, as many as `motion` has.

    Args:
        frames: uint8 (H, W, 3), at least len(motion); a still is the same array over and over.
        face: one row per frame, or a single one that holds for all.
    """
    frames = iter(frames)
    start, size, canvas = 0, 1, None
    while batch := list(islice(frames, min(size, len(motion) - start))):
        rows = slice(start, start + len(batch))
        start += len(batch)
        height, width = batch[0].shape[:2]
        is_still = all(frame is batch[0] for frame in batch) and len(face) == 1
        seen_by = motion if is_still else motion[rows]
        faces = face if len(face) == 1 else face[rows]
        x1, y1, x2, y2 = box = engine.region(faces, seen_by, width, height)
        area = (x2 - x1) * (y2 - y1)
        size = int(np.clip(BATCH_PIXELS // max(area, 1), 1, 32))
        if area:
            shown = batch[:1] if is_still else batch
            crops = to_frames(np.stack([frame[y1:y2, x1:x2] for frame in shown])).to(device)
            shifted = faces.shifted(x1, y1)
            if len(shifted) < len(crops):
                shifted = shifted[np.zeros(len(crops), int)]
            crops = engine(crops, shifted, motion[rows], canvas=(-x1, -y1, width - x1, height - y1))
            crops = to_pixels(crops.expand(len(batch), -1, -1, -1))
        for index, frame in enumerate(batch):
            if is_still:
                first = canvas is None
                canvas = frame.copy() if first else canvas
            else:
                canvas = frame.copy()
            if area:
                canvas[y1:y2, x1:x2] = crops[index]
            yield Rendered(canvas, box if is_still and not first else None)
