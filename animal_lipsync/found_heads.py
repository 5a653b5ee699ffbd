"""The faces of heads that something else found: a box drawn by hand, another detector, words (prompted.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from .detection import find_boxes, place_any_way_up
from .detector import Detector, load_detector
from .head_crops import load_frame
from .prior import fill_points
from .tracking import Detections

LEAST_HEAD = 4
"""Pixels along either side of a head that can be looked at."""


class Found(NamedTuple):
    """Heads that something found in one frame, best first."""

    boxes: np.ndarray
    """(N, 4) x1, y1, x2, y2 in pixels."""
    scores: np.ndarray
    """(N,) in [0, 1]."""
    species: tuple[str, ...]
    """Empty where it does not say."""


Finder = Callable[[int, np.ndarray], Found]
"""(number of the frame, its pixels) -> heads; what stands in for the pack's own search."""
Pose = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(pixels, boxes) -> (N, 9, 2) points and (N, 9) scores, 0 where it does not say."""


@torch.inference_mode()
def place_heads(
    pixels: np.ndarray, found: Found, *, pose: Pose | None = None, detector: Detector | None = None
) -> Detections:
    """The faces of heads that something else found in a picture, (H, W, 3) uint8, in their order.

    Args:
        pose: says where points of animals are that the networks do not know.

    Raises:
        ValueError: a box shows next to nothing of the picture.
    """
    height, width = pixels.shape[:2]
    for x1, y1, x2, y2 in found.boxes:
        if min(x2, width) - max(x1, 0) < LEAST_HEAD or min(y2, height) - max(y1, 0) < LEAST_HEAD:
            raise ValueError(
                f"A box from {x1:g}, {y1:g} to {x2:g}, {y2:g} holds no head: the picture has {width} x {height} "
                "pixels; draw the box round the head."
            )
    detector = detector or load_detector()
    frame = load_frame(pixels, detector.device)
    boxes = torch.as_tensor(np.asarray(found.boxes, np.float32)).reshape(-1, 4).to(frame.device)
    scores = torch.as_tensor(np.asarray(found.scores, np.float32)).to(frame.device)
    known = pose(pixels, found.boxes) if pose else None
    return believe(place_any_way_up(frame, boxes, scores, detector), found.species, known)


@torch.inference_mode()
def heads_within(pixels: np.ndarray, animals: Found, *, detector: Detector | None = None) -> Found:
    """The head of each animal whose whole body is boxed; where none is seen, the upper half of the box."""
    detector = detector or load_detector()
    frame = load_frame(pixels, detector.device)
    heads = np.array(animals.boxes, np.float32).reshape(-1, 4)
    for box in heads:
        x1, y1, x2, y2 = np.maximum(box, 0).astype(int)
        part = frame[y1:y2, x1:x2]
        inside, _ = find_boxes(detector.faces, part) if part.numel() else ((), ())
        if len(inside):
            box[:] = inside[0].cpu().numpy() + (x1, y1, x1, y1)
        else:
            box[3] = (box[1] + box[3]) / 2
    return animals._replace(boxes=heads)


def believe(
    seen: Detections,
    species: Sequence[str],
    known: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    sure: float = 0.3,
) -> Detections:
    """Faces that are where they are because someone says so.

    Where the networks see no animal they know, points that they are not sure of are put where they usually lie, and the
    species is what it was said to be.

    Args:
        known: (N, 9, 2) points and (N, 9) scores by someone else, who is believed there where he is sure.
    """
    points, score, kinds = seen.keypoints.copy(), seen.keypoint_scores.copy(), list(seen.species)
    for i in range(len(seen)):
        if seen.scores[i] < sure:
            kinds[i] = species[i] or "unknown"
            score[i] *= seen.scores[i] / sure  # a point of something that is no face is no point
            if known is not None:
                is_sure = known[1][i] >= 0.5
                points[i, is_sure], score[i, is_sure] = known[0][i, is_sure], known[1][i, is_sure]
            points[i], score[i] = fill_points(points[i], score[i], seen.boxes[i], kinds[i])
    return replace(seen, keypoints=points, keypoint_scores=score, species=tuple(kinds))
