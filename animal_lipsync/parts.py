"""One long video drawn in parts side by side and joined without a trace, since a frame of the warp engine comes out
alike in whatever part it lies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from .animate import frame_by_frame
from .clip import Clip
from .files import beside, write_target
from .render import MouthEngine, render
from .types import Audio, FaceTrack, MouthMotion
from .video_writer import VideoWriter, join_videos

CALM = 0.25
"""Share of a part's length, before and after its end, in which the calmest moment is looked for."""
SHOWN = 25
"""Frames after which a part tells how far it has come."""

ShareOut = Callable[[str, Iterable[dict]], Iterator[tuple[dict, object | Exception] | None]]
"""As `workers.share_out`: a task's name and its jobs -> each answer, with the job it came from."""


def animate_in_parts(
    clip: Clip,
    face: FaceTrack,
    motion: MouthMotion,
    voice: str | os.PathLike | Audio,
    output: str | os.PathLike,
    engine: MouthEngine,
    *,
    seconds: float,
    share_out: ShareOut,
) -> Iterator[int]:
    """Write `output` as `animate` does, in parts of about so many `seconds`; close the generator to cancel.

    Args:
        clip: from a file.

    Yields:
        how many frames more are drawn.

    Raises:
        ValueError, OSError: as `animate`.
        RuntimeError: a part failed or its process died.
    """
    face, motion = frame_by_frame(clip, face, motion, voice)
    with beside(write_target(output)) as partial:
        jobs = []
        for start, stop in part_bounds(motion, seconds):
            rows = slice(start, stop)
            job = {"source": clip.path.absolute(), "frame_rate": clip.frame_rate, "start": start}
            job |= {"face": face if len(face) == 1 else face[rows], "motion": motion[rows], "engine": engine}
            jobs.append(job | {"output": partial.absolute().with_name(f"{start}.mp4")})
        for answered in share_out("parts:draw_part", jobs):
            if answered is None:
                continue
            _, answer = answered
            if isinstance(answer, Exception):
                raise answer
            yield answer
        join_videos(output, [job["output"] for job in jobs], voice)


def part_bounds(motion: MouthMotion, seconds: float) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of parts of about so many seconds, cut where the mouth moves least."""
    length = max(2, round(seconds * float(motion.frame_rate)))
    moves = np.abs(np.diff(motion.values, axis=0, prepend=motion.values[:1])).sum(1)
    marks = [0]
    while len(motion) - marks[-1] > (1 + CALM) * length:
        reach = int(CALM * length)
        middle = marks[-1] + length
        marks.append(middle - reach + int(moves[middle - reach : middle + reach + 1].argmin()))
    return list(zip(marks, [*marks[1:], len(motion)], strict=True))


def draw_part(
    source: Path,
    frame_rate: Fraction,
    start: int,
    face: FaceTrack,
    motion: MouthMotion,
    engine: MouthEngine,
    output: Path,
) -> Iterator[int]:
    """Write a silent video of the frames from `start` on, as many as `motion` has; yields how many are new."""
    clip, stop = Clip.open(source, frame_rate=frame_rate), start + len(motion)
    frames = clip.read_from(start) if 1 < clip.frames >= stop else islice(clip.read(stop), start, None)
    told = 0
    with VideoWriter(output, clip.width, clip.height, clip.frame_rate) as video:
        for frame, changed in render(frames, face, motion, engine):
            video.write(frame, changed=changed)
            if video.frames - told == SHOWN:
                yield SHOWN
                told = video.frames
    yield video.frames - told
