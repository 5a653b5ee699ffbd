"""Runs an engine over frames of any size and number: only the region it changes, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .image import to_frames, to_pixels
from .types import FaceTrack

BATCH_PIXELS = 2_000_000
"""Pixels an engine is given at once; more do not make it faster, only larger."""


class Drive(Protocol):
    """What a mouth follows, frame by frame: a `MouthMotion`, or a voice's `SpeechFrames`."""

    frame_rate: Fraction

    def __len__(self) -> int: ...

    def __getitem__(self, frames: slice | np.ndarray) -> Drive: ...

    def resampled(self, frame_rate: Fraction, length: int) -> Drive:
        """The same at another rate, `length` frames long; past its end the mouth is at rest."""

    def eased(self, share: np.ndarray) -> Drive:
        """The same, brought towards rest: (T,) of [0, 1], where 0 is at rest."""


class MouthEngine(Protocol):
    """Draws a speaking mouth. One that has a `batch` is given so many frames at once, others by their pixels."""

    def region(self, face: FaceTrack, motion: Drive, width: int, height: int) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 of the part of a `width` x `height` frame that the engine may change."""

    def __call__(self, frames: Tensor, face: FaceTrack, motion: Drive, *, canvas, is_still: bool) -> Tensor:
        """(N or 1, 3, h, w) float32 frames -> (len(motion), 3, h, w); `canvas` is the whole picture in their pixels."""


class Rendered(NamedTuple):
    pixels: np.ndarray
    """uint8 (H, W, 3); of a still it is the same array each time, so copy what you keep."""
    changed: tuple[int, int, int, int] | None
    """The box outside which the frame equals the one before; None where all of it may differ."""


def render(
    frames: Iterable[np.ndarray],
    face: FaceTrack,
    motion: Drive,
    engine: MouthEngine,
    *,
    device: str = "cpu",
) -> Iterator[Rendered]:
    """Frames of the animal speaking, as many as `motion` has.

    Args:
        frames: uint8 (H, W, 3), at least len(motion); a still is the same array over and over.
        face: one row per frame, or a single one that holds for all.
    """
    batches = _batches(iter(frames), face, motion, engine, device)
    canvas = shown = touched = None
    with _drawing_thread() as pool:  # draws the next batch while the caller encodes this one
        coming = pool.submit(next, batches, None)
        while drawn := coming.result():
            coming = pool.submit(next, batches, None)
            batch, crops, box = drawn
            for index, frame in enumerate(batch):
                repeats = frame is shown
                if repeats:
                    _paste(frame, canvas, touched)
                else:
                    canvas = frame.copy()
                x1, y1, x2, y2 = box
                canvas[y1:y2, x1:x2] = crops[index]
                yield Rendered(canvas, _around(touched, box) if repeats else None)
                shown, touched = frame, box


def _paste(source: np.ndarray, target: np.ndarray, box: tuple[int, int, int, int]) -> None:
    x1, y1, x2, y2 = box
    target[y1:y2, x1:x2] = source[y1:y2, x1:x2]


def _around(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _drawing_thread() -> ThreadPoolExecutor:
    """A thread whose torch operations use half the cores; OpenMP's waiting threads would starve the video encoder.

    On 2 cores the whole job is 2.6 times faster so.
    """
    threads = torch.get_num_threads()

    def use_half() -> None:
        torch.set_num_threads(max(1, threads // 2))
        torch.get_num_threads()  # a thread takes its number over from the last one set when it is first asked for it

    pool = ThreadPoolExecutor(1, initializer=use_half)
    pool.submit(int).result()
    torch.set_num_threads(threads)
    return pool


def _batches(frames: Iterator[np.ndarray], face: FaceTrack, motion: Drive, engine: MouthEngine, device: str):
    """(frames, what the engine made of the box, the box), a batch at a time."""
    start, size, only, is_still = 0, 2, None, len(face) == 1
    while batch := list(islice(frames, min(size, len(motion) - start))):
        rows = slice(start, start + len(batch))
        start += len(batch)
        height, width = batch[0].shape[:2]
        only = batch[0] if only is None else only
        is_still = is_still and all(frame is only for frame in batch)
        faces = face if len(face) == 1 else face[rows]
        x1, y1, x2, y2 = box = engine.region(faces, motion[rows], width, height)
        by_pixels = int(np.clip(BATCH_PIXELS // max((x2 - x1) * (y2 - y1), 1), 1, 32))
        size = getattr(engine, "batch", by_pixels)
        crops = np.stack([frame[y1:y2, x1:x2] for frame in (batch[:1] if is_still else batch)])
        if crops.size:
            shifted = faces.shifted(x1, y1)
            if len(shifted) < len(crops):
                shifted = shifted[np.zeros(len(crops), int)]
            canvas = (-x1, -y1, width - x1, height - y1)
            crops = to_pixels(
                engine(to_frames(crops).to(device), shifted, motion[rows], canvas=canvas, is_still=is_still)
            )
        yield batch, np.broadcast_to(crops, (len(batch), *crops.shape[1:])), box
