"""Several clips beside each other, in step, as one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from math import ceil

import numpy as np
from PIL import Image

from .clip import Clip
from .video import time_to_frame
from .video_writer import write_video

LARGEST_SIDE = 8192
"""Pixels of a comparison; H.264 players know no wider picture."""


def side_by_side(clips: Sequence[Clip], *, height: int | None = None) -> Clip:
    """One clip that shows all of them from left to right, each `height` pixels high, or as high as the first.

    It has the highest of their frame rates and lasts as long as the longest; one that has ended stays at its last
    frame.

    Raises:
        ValueError: there are fewer than two, or they are too wide together.
    """
    if len(clips) < 2:
        raise ValueError(f"Two or more videos are needed to compare, got {len(clips)}.")
    height = height or clips[0].height
    widths = [max(1, round(clip.width * height / clip.height)) for clip in clips]
    if sum(widths) > LARGEST_SIDE:
        raise ValueError(
            f"{len(clips)} videos beside each other are {sum(widths)} pixels wide; at most {LARGEST_SIDE} can be "
            "played. Compare fewer, or put the smallest first: all are shown as high as it."
        )
    rate = max(clip.frame_rate for clip in clips)
    frames = max(ceil(clip.frames * rate / clip.frame_rate) for clip in clips)

    def read(count: int) -> Iterator[np.ndarray]:
        columns = [_shown(clip, (width, height), rate) for clip, width in zip(clips, widths, strict=True)]
        for parts in islice(zip(*columns, strict=True), count):
            yield np.concatenate(parts, axis=1)

    return Clip(sum(widths), height, rate, frames, read)


def below_each_other(clips: Sequence[Clip]) -> Clip:
    """One clip that shows all of them from top to bottom, black beside the narrower ones; in time as `side_by_side`."""
    width, height = max(clip.width for clip in clips), sum(clip.height for clip in clips)
    rate = max(clip.frame_rate for clip in clips)
    frames = max(ceil(clip.frames * rate / clip.frame_rate) for clip in clips)

    def read(count: int) -> Iterator[np.ndarray]:
        rows = [_shown(clip, (clip.width, clip.height), rate) for clip in clips]
        for parts in islice(zip(*rows, strict=True), count):
            yield np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0))) for part in parts])

    return Clip(width, height, rate, frames, read)


def _shown(clip: Clip, size: tuple[int, int], frame_rate: Fraction) -> Iterator[np.ndarray]:
    """Its frames at another size and rate, the last one for ever."""
    frames = clip.read(clip.frames)
    at = shown = -1
    pixels = None
    while True:
        shown += 1
        wanted = min(time_to_frame(shown / frame_rate, clip.frame_rate), clip.frames - 1)
        if at < wanted:
            while at < wanted:
                frame, at = next(frames), at + 1
            pixels = frame
            if frame.shape[1::-1] != size:
                pixels = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR))
        yield pixels


def compare_videos(
    paths: Sequence[str | os.PathLike], output: str | os.PathLike, *, sound: int | None = 0, crf: int = 18
) -> Iterator[np.ndarray]:
    """Write `output`, an mp4 of these pictures and videos side by side, yielding each frame once it is written.

    Args:
        sound: index of the video whose sound is heard; None for silence.

    Raises:
        ValueError: as `side_by_side`; or there is no such video, or it has no sound.
    """
    if sound is not None and not 0 <= sound < len(paths):
        raise ValueError(f"There is no video {sound} to take the sound of; they are 0 to {len(paths) - 1}.")
    clip = side_by_side([Clip.open(path) for path in paths])
    heard = None if sound is None else paths[sound]
    yield from write_video(
        output, clip.read(clip.frames), clip.width, clip.height, clip.frame_rate, sound=heard, crf=crf
    )
