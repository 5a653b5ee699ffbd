"""What an animal is animated from: a still or a clip, from a file or from memory, as frames that never run out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path

import numpy as np

from .image import fingerprint, is_picture, is_same_picture, read_picture
from .types import Faces, FaceTrack
from .video import extend_frames, pingpong_indices, probe, read_frames

STILL_RATE = Fraction(25)
"""Frames per second of a video made from a still."""


@dataclass(frozen=True)
class Clip:
    width: int
    height: int
    frame_rate: Fraction
    frames: int
    """1 for a still."""
    read: Callable[[int], Iterator[np.ndarray]]
    """(count) -> that many frames, uint8 (H, W, 3), played forth and back where the clip is shorter.
    A still is the same array over and over."""
    path: Path | None = None
    """The file it is read from; None when it is in memory."""

    @classmethod
    def open(cls, path: str | os.PathLike, *, frame_rate: Fraction | None = None) -> Clip:
        """A picture or video file.

        Args:
            frame_rate: of the frames to read; the video's own when None, `STILL_RATE` for a picture.

        Raises:
            ValueError: the file is missing, empty, damaged or neither a picture nor a video.
        """
        if os.path.isdir(path):
            raise ValueError(
                f"{path} is a folder; name a picture or video in it, or list many in a table for animal-lipsync batch."
            )
        if is_picture(path):
            still = cls.from_picture(read_picture(path), frame_rate=frame_rate or STILL_RATE)
            return replace(still, path=Path(path))
        info = probe(path)
        rate = Fraction(frame_rate or info.frame_rate)
        return cls(
            info.width,
            info.height,
            rate,
            info.frames_at(rate),
            lambda count: extend_frames(path, count, frame_rate=rate),
            Path(path),
        )

    @classmethod
    def from_picture(cls, pixels: np.ndarray, *, frame_rate: Fraction = STILL_RATE) -> Clip:
        """A still in memory, uint8 (H, W, 3)."""
        height, width = pixels.shape[:2]
        return cls(width, height, Fraction(frame_rate), 1, lambda count: repeat(pixels, count))

    @classmethod
    def from_frames(cls, pixels: np.ndarray, *, frame_rate: Fraction = STILL_RATE) -> Clip:
        """A clip in memory, uint8 (T, H, W, 3)."""
        frames, height, width = pixels.shape[:3]
        order = pingpong_indices
        return cls(width, height, Fraction(frame_rate), frames, lambda count: (pixels[i] for i in order(frames, count)))

    def read_from(self, start: int) -> Iterator[np.ndarray]:
        """The frames from `start` to the last."""
        if self.path is None or self.frames == 1:
            return islice(self.read(self.frames), start, None)
        return read_frames(self.path, frame_rate=self.frame_rate, start=start)

    def shows(self, faces: Faces) -> bool:
        """Whether `faces` were set on this picture or clip, as far as they say."""
        return not faces.picture or is_same_picture(faces.picture, fingerprint(next(self.read(1))))

    def face(self, faces: Faces, index: int = 0) -> FaceTrack:
        """One animal of `faces`, in this clip's pixels and at its frames.

        Raises:
            ValueError: there is no such face, or `faces` belong to another picture or clip.
        """
        if not 0 <= index < len(faces.tracks):
            known = f"faces 0 to {len(faces.tracks) - 1}" if faces.tracks else "no face at all"
            raise ValueError(f"There is no face {index}; the keypoints hold {known}.")
        scale = self.width / faces.width
        if abs(self.height / faces.height / scale - 1) > 0.01:
            raise ValueError(
                f"The keypoints were set on {faces.width} x {faces.height} pixels, the source has "
                f"{self.width} x {self.height}; set them on the same picture or clip."
            )
        track = faces.tracks[index]
        if scale != 1:
            track = track.scaled(scale)
        if len(track) == 1 or self.frames == len(track) and faces.frame_rate in (0, self.frame_rate):
            return track
        if self.frames == 1:
            raise ValueError(f"The keypoints cover {len(track)} frames but the source is a still picture.")
        covered = len(track) / (faces.frame_rate or self.frame_rate)
        if abs(covered - self.frames / self.frame_rate) > Fraction(1, 2):
            raise ValueError(
                f"The keypoints cover {len(track)} frames ({float(covered):.1f} s) but the clip lasts "
                f"{float(self.frames / self.frame_rate):.1f} s; detect or set them on the same clip."
            )
        at = np.arange(self.frames) * float((faces.frame_rate or self.frame_rate) / self.frame_rate)
        return track[np.minimum(np.floor(at + 1e-6).astype(int), len(track) - 1)]
