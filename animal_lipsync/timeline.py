"""What the viseme editor in the browser shows of a voice: its loudness, its mouth and its words, as JSON."""

from __future__ import annotations

import json

import numpy as np

from .edits import track_fingerprint, voice_fingerprint
from .types import Audio, MouthMotion

PEAKS_PER_SECOND = 100


def timeline_json(voice: Audio, motion: MouthMotion, *, given: bool = False) -> str:
    """`voice` and how a mouth moves that says it, before any edit.

    Args:
        given: the visemes were not heard in the voice but came from elsewhere.
    """
    return json.dumps(
        {
            "version": 1,
            "voice": voice_fingerprint(voice),
            "track": track_fingerprint(motion.visemes) if given else "",
            "duration": voice.duration,
            "peaks": {"rate": PEAKS_PER_SECOND, "values": peaks(voice).tolist()},
            "motion": json.loads(motion.to_json()),
        }
    )


def peaks(voice: Audio) -> np.ndarray:
    """(ceil(duration * PEAKS_PER_SECOND),) uint8, the largest sample of each hundredth of a second; 255 is 1."""
    samples = np.abs(voice.waveform).max(axis=0, initial=0)
    count = -(-len(samples) * PEAKS_PER_SECOND // voice.sample_rate)
    starts = (np.arange(count) * voice.sample_rate) // PEAKS_PER_SECOND
    loudest = np.maximum.reduceat(samples, starts) if count else samples
    return (255 * np.minimum(loudest, 1)).astype(np.uint8)
