"""When an animal blinks: now and then, on its own."""

from __future__ import annotations

import numpy as np

from .types import MouthMotion

CLOSING, SHUT, OPENING = 0.09, 0.04, 0.15
"""Seconds of one blink's parts."""
SOONEST = 1.2
"""Seconds between two blinks, at least."""


def add_blinks(motion: MouthMotion, per_minute: float, *, variation: int = 0) -> MouthMotion:
    """The motion with blinks of both eyes added, `per_minute` on average; others for another `variation`."""
    if not 0 <= per_minute <= 40:
        raise ValueError(f"blinks must lie between 0 and 40 a minute, got {per_minute:g}.")
    if per_minute == 0:
        return motion
    rate = float(motion.frame_rate)
    times = np.arange(len(motion)) / rate
    shut = np.zeros(len(motion))
    random = np.random.default_rng(variation)
    wait = 60 / per_minute
    start = random.uniform(0.4, 1.0) * min(wait, 3.0)
    while start < times.max(initial=0):
        since = times - start
        closing = np.clip(since / CLOSING, 0, 1)
        opening = np.clip((since - CLOSING - SHUT) / OPENING, 0, 1)
        shut = np.maximum(shut, closing - opening)
        start += max(SOONEST, random.uniform(0.4, 1.6) * wait)
    return motion.with_channels(
        **{name: np.maximum(motion.channel(name), shut) for name in ("blink_left", "blink_right")}
    )
