"""Where a recording may be cut: in its silences, and where it goes on for too long.

Knows nothing of pictures. What counts as silence: `hearing.py`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .hearing import Heard
from .visemes import FRAMES_PER_SECOND

QUIET = 0.75
"""Probability of silence from which on a moment counts as silent."""
PAUSE = 0.4
"""Seconds that a silence lasts at least."""
AIR = 0.25
"""Seconds of silence that are left beside a sound."""
SHORTEST = 0.5
"""Seconds; nothing shorter is cut off."""
LONGEST, USUAL = 10.0, 5.0
"""Seconds; what is longer than the one is cut into parts of about the other."""


def find_silences(heard: Heard) -> list[tuple[float, float]]:
    """(start, end) in seconds of each pause."""
    is_quiet = np.concatenate([[False], np.exp(heard.phones[:, 0]) > QUIET, [False]])
    edges = np.flatnonzero(np.diff(is_quiet)).reshape(-1, 2) / FRAMES_PER_SECOND
    return [(float(start), float(end)) for start, end in edges if end - start >= PAUSE]


def cut_times(duration: float, silences: list[tuple[float, float]] = ()) -> list[float]:
    """Where to cut `duration` seconds, in order, the end included: no part is longer than `LONGEST`.

    A short silence is cut in its middle, a long one becomes a part of its own.
    """
    times = []
    for start, end in silences:
        inner = (start + AIR, end - AIR)
        if start <= 0 or end >= duration:  # silent up to the edge of the recording
            times += [inner[1]] if start <= 0 else [inner[0]]
        elif inner[1] - inner[0] >= SHORTEST:
            times += inner
        else:
            times.append((start + end) / 2)
    marks = [0.0]
    for time in times:
        if marks[-1] + SHORTEST <= time <= duration - SHORTEST:
            marks.append(time)
    cuts = []
    for start, end in pairwise([*marks, duration]):
        parts = 1 if end - start <= LONGEST else round((end - start) / USUAL)
        cuts += np.linspace(start, end, parts + 1)[1:].tolist()
    return cuts
