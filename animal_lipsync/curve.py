"""One channel of a motion drawn as a curve."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from .types import CHANNELS, HEAD_LIMIT, LONGEST, MouthMotion


def curve_to_motion(
    curve: Callable[[np.ndarray], np.ndarray],
    motion: MouthMotion,
    *,
    channel: str = "jaw_open",
    low: float = 0.0,
    high: float = 1.0,
    repeat: int = 1,
) -> MouthMotion:
    """`motion` with `channel` in place of its own following a curve from its first frame to its last.

    Args:
        curve: takes (T,) of [0, 1], where 0 is the beginning, and returns (T,) of [0, 1].
        low, high: what 0 and 1 of the curve stand for; degrees where the channel turns the head.
        repeat: times that the curve is run through.

    Raises:
        ValueError: low or high is nothing that the channel can be.
    """
    least, most = (-HEAD_LIMIT, HEAD_LIMIT) if channel.startswith("head_") else (0.0, 1.0)
    if channel not in CHANNELS:
        raise ValueError(f"There is no channel {channel!r}; they are {', '.join(CHANNELS)}.")
    for name, value in (("low", low), ("high", high)):
        if not least <= value <= most:
            raise ValueError(f"{name} must lie between {least:g} and {most:g} for {channel}, got {value:g}.")
    at = np.linspace(0, 1, len(motion)) if len(motion) > 1 else np.zeros(len(motion))
    along = at * repeat % 1
    along[at == 1] = 1
    drawn = np.clip(curve(along), 0, 1)
    return motion.with_channels(**{channel: low + (high - low) * drawn})


def motion_at_rest(seconds: float, frame_rate: Fraction) -> MouthMotion:
    """A motion in which nothing moves, at least a frame long."""
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"seconds must lie above 0 and up to {LONGEST:g}, got {seconds:g}.")
    return MouthMotion.from_channels(frame_rate, max(1, round(Fraction(seconds) * frame_rate)))
