"""Where the points of a head usually lie: for animals that the networks do not know.

An estimate has score 0, so that everything further on can tell it from a point that was seen.
"""

from __future__ import annotations

import numpy as np

from .schemas import CHIN, MOUTH_LEFT, MOUTH_RIGHT

# over the larger side of the head's box, from its middle; the mean of the 448 shut frontal heads of
# dev/keypoints/labels.json and their mirror images
MAMMAL = np.array(
    [
        [-0.166, 0.038],
        [0.166, 0.038],
        [0.0, 0.252],
        [-0.112, 0.375],
        [0.112, 0.375],
        [0.0, 0.353],
        [0.0, 0.353],
        [0.0, 0.439],
        [0.0, -0.014],
    ]
)
BIRD = MAMMAL.copy()  # the corners of a bill lie close together, and its lower part ends where the upper does
BIRD[[MOUTH_LEFT, MOUTH_RIGHT]] = [[-0.06, 0.25], [0.06, 0.25]]
BIRD[CHIN] = [0.0, 0.37]
BIRDS = {"bird", "parrot", "cockatoo", "budgie", "owl", "chicken", "duck", "crow", "beak"}


def fill_points(points: np.ndarray, score: np.ndarray, box: np.ndarray, species: str = "unknown", *, sure: float = 0.5):
    """`animal9` points of one head: those that are known, and for the others where they usually lie.

    The usual head is shifted, turned and scaled to fit the known points; with fewer than two it fills the box.

    Args:
        points, score: (9, 2) pixels and (9,); known are those whose score is `sure` at least.
        box: (4,) of the head.

    Returns:
        (9, 2) and (9,); score 0 marks an estimate.
    """
    usual = BIRD if species.lower() in BIRDS else MAMMAL
    known = score >= sure
    side = max(*(box[2:] - box[:2]), 1.0)
    turn, shift = complex(side), complex(*(box[:2] + box[2:]) / 2)
    at, to = usual @ (1, 1j), points.astype(float) @ (1, 1j)
    if known.sum() >= 2:
        a, b = at[known] - at[known].mean(), to[known] - to[known].mean()
        fitted = (a.conj() @ b) / (a.conj() @ a).real
        # two points that nearly coincide say nothing about size or turn
        if 0.5 < abs(fitted) / side < 2:
            turn = fitted
    if known.any():
        shift = to[known].mean() - turn * at[known].mean()
    estimate = turn * at + shift
    filled = np.where(known[:, None], points, np.stack([estimate.real, estimate.imag], -1))
    return filled.astype(np.float32), np.where(known, score, 0).astype(np.float32)
