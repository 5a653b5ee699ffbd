"""The whole job: a clip, a face, a motion and a voice become a finished video, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from .articulation import Mouth
from .audio import open_sound, probe_audio, read_audio
from .clip import Clip
from .motion import NATURAL, speech_to_motion
from .render import Drive, MouthEngine, render
from .types import Audio, FaceTrack, MouthMotion
from .video import pingpong_indices
from .video_writer import VideoWriter

EASE = 0.2
"""Seconds in which a mouth shuts before its face is lost, and takes up again when it is back."""


def voice_motion(
    voice: str | os.PathLike | Audio,
    frame_rate: Fraction,
    *,
    transcript: str | None = None,
    language: str = "en-us",
    mouth: Mouth = NATURAL,
) -> MouthMotion:
    """The motion of a mouth that says `voice`, a sound file or sound in memory; see `speech_to_motion`."""
    sound = voice if isinstance(voice, Audio) else read_audio(voice)
    return speech_to_motion(sound, frame_rate, transcript=transcript, language=language, mouth=mouth)


def animate(
    clip: Clip,
    face: FaceTrack,
    motion: Drive,
    voice: str | os.PathLike | Audio,
    output: str | os.PathLike,
    engine: MouthEngine,
    *,
    device: str = "cpu",
    crf: int = 18,
) -> Iterator[np.ndarray]:
    """Write `output`, an mp4, yielding each frame once it is written; close the generator to cancel.

    A still and a clip shorter than the motion go on to its end; a longer clip keeps its length, its mouth shut once
    the motion is over. Nothing appears at `output` before it is complete.

    Yields:
        uint8 (H, W, 3), valid until the next one.

    Raises:
        ValueError: clip, face and voice do not fit each other.
        OSError: the output cannot be written.
    """
    face, motion = frame_by_frame(clip, face, motion, voice)
    count = len(motion)
    blocks, sample_rate, channels = open_sound(voice)
    frames = render(clip.read(count), face, motion, engine, device=device)
    with VideoWriter(
        output, clip.width, clip.height, clip.frame_rate, sample_rate=sample_rate, channels=channels, crf=crf
    ) as video:
        for frame, changed in frames:
            video.write(frame, changed=changed)
            while video.samples * clip.frame_rate < video.frames * sample_rate and (block := next(blocks, None)):
                video.write_audio(block)
            yield frame
        # what is left is shorter than a frame
        for block in blocks:
            video.write_audio(block)


def frame_by_frame(
    clip: Clip, face: FaceTrack, motion: Drive, voice: str | os.PathLike | Audio
) -> tuple[FaceTrack, Drive]:
    """The face, unless it is a still's, and the motion at every frame that `animate` writes."""
    count = output_frames(clip, motion, voice)
    motion = motion.resampled(clip.frame_rate, count)
    if len(face) > 1:
        face = face[pingpong_indices(len(face), count)]
        motion = ease_where_lost(motion, face.visible)
    return face, motion


def ease_where_lost(motion: Drive, visible: np.ndarray) -> Drive:
    """The motion coming to rest over `EASE` seconds towards frames in which the face is not `visible`, (T,) bool."""
    lost = np.flatnonzero(~visible)
    if not len(lost):
        return motion
    frames = np.arange(len(visible))
    after = np.searchsorted(lost, frames)
    away = np.minimum(
        np.abs(frames - lost[np.minimum(after, len(lost) - 1)]), np.abs(frames - lost[np.maximum(after - 1, 0)])
    )
    return motion.eased(np.clip(away / (EASE * float(motion.frame_rate)), 0, 1))


def output_frames(clip: Clip, motion: Drive, voice: str | os.PathLike | Audio) -> int:
    """How many frames `animate` writes."""
    duration = (voice if isinstance(voice, Audio) else probe_audio(voice)).duration
    spoken = max(round(duration * float(clip.frame_rate)), round(len(motion) * clip.frame_rate / motion.frame_rate))
    return max(1, spoken, clip.frames)
