"""Several voices in one video: one after the other, or mixed."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from .audio import load_audio, resample, to_mono
from .types import Audio


def take_turns(voices: Sequence[Audio], *, pause: float = 0.3) -> list[Audio]:
    """The same voices, each silent while the others speak in their order: all of one length, to be mixed.

    Args:
        pause: seconds between two of them; a negative one lets them interrupt each other.

    Raises:
        ValueError: the pause is no number.
    """
    if not math.isfinite(pause):
        raise ValueError(f"pause must be a number of seconds, got {pause}.")
    starts, end = [], 0.0
    for voice in voices:
        starts.append(max(0.0, end + pause if starts else 0.0))
        end = starts[-1] + voice.duration
    length = max(start + voice.duration for start, voice in zip(starts, voices, strict=True))
    padded = []
    for start, voice in zip(starts, voices, strict=True):
        at = round(start * voice.sample_rate)
        channels, samples = voice.waveform.shape
        waveform = np.zeros((channels, max(round(length * voice.sample_rate), at + samples)), np.float32)
        waveform[:, at : at + samples] = voice.waveform
        padded.append(Audio(waveform, voice.sample_rate))
    return padded


def mix_audio(voice: Audio, sound: Audio | str | os.PathLike) -> Audio:
    """Both at once, from the start, as long as the longer; softer as a whole only where it would be clipped.

    Raises:
        ValueError: `sound` is a file that cannot be read.
    """
    sound = sound if isinstance(sound, Audio) else load_audio(sound)
    rate = max(voice.sample_rate, sound.sample_rate)
    parts = [resample(to_mono(part) if len(part.waveform) > 2 else part, rate).waveform for part in (voice, sound)]
    mixed = np.zeros((max(map(len, parts)), max(part.shape[1] for part in parts)), np.float32)
    for part in parts:
        mixed[:, : part.shape[1]] += part
    return Audio(mixed / max(1.0, float(np.abs(mixed).max(initial=0))), rate)
