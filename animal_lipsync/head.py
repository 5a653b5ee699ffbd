"""How a head moves while its mouth speaks: nods on what is stressed, and shifts a little in every pause."""

from __future__ import annotations

import numpy as np

from .articulation import smooth
from .types import HEAD_LIMIT, MouthMotion
from .visemes import FRAMES_PER_SECOND

PAUSE = 0.3
"""Seconds that a mouth is shut before the head takes another pose."""
SHUT = 0.05
"""`jaw_open` below which it counts as shut."""
TURN, TILT = 0.5, 0.35
"""How far it turns and tilts at most, times the degrees of a nod."""


def nod(motion: MouthMotion, degrees: float, *, variation: int = 0) -> MouthMotion:
    """The motion with a nod of up to `degrees` on stressed syllables (`head_pitch`; positive: nose down).

    Between phrases the head drifts to another pose (`head_yaw`, `head_roll`), and at last back to where it began.

    Args:
        variation: any whole number; another one gives other poses.
    """
    if not abs(degrees) <= HEAD_LIMIT:
        raise ValueError(f"nod must lie between -{HEAD_LIMIT:g} and {HEAD_LIMIT:g} degrees, got {degrees:g}.")
    if not len(motion):
        return motion
    jaw = motion.channel("jaw_open").astype(float)
    hops = float(motion.frame_rate) / FRAMES_PER_SECOND
    stress = np.clip(smooth(jaw, 8 * hops) - smooth(jaw, 40 * hops), 0, None)
    stress = smooth(stress / max(stress.max(initial=0), 0.05), 6 * hops)
    turn, tilt = _drift(jaw > SHUT, float(motion.frame_rate), variation).T
    moved = {
        "head_pitch": degrees * stress,
        "head_yaw": TURN * degrees * turn,
        "head_roll": TILT * degrees * tilt,
    }
    return motion.with_channels(
        **{name: np.clip(motion.channel(name) + by, -HEAD_LIMIT, HEAD_LIMIT) for name, by in moved.items()}
    )


def _drift(is_open: np.ndarray, frame_rate: float, variation: int) -> np.ndarray:
    """(T, 2) in [-1, 1]: a pose for every phrase, reached in the pause before it; the first and the last are 0."""
    poses = np.zeros((len(is_open), 2))
    spoken = np.flatnonzero(is_open)
    random = np.random.default_rng(variation)
    pose = np.zeros(2)
    for before, after in zip(spoken[:-1], spoken[1:], strict=True):
        if after - before <= PAUSE * frame_rate:
            poses[before : after + 1] = pose
            continue
        following = random.uniform(-1, 1, 2)
        share = np.arange(after - before + 1)[:, None] / (after - before)
        poses[before : after + 1] = pose + (following - pose) * share**2 * (3 - 2 * share)
        pose = following
    if len(spoken):
        rest = np.arange(len(is_open) - spoken[-1])[:, None] / frame_rate
        poses[spoken[-1] :] = pose * (1 - np.clip(rest, 0, 1) ** 2 * (3 - 2 * np.clip(rest, 0, 1)))
    return poses
