"""Points set by hand in some frames of a clip, carried through the others by the animal as it is found there.

web/js/faces.mjs does the same in the browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .clip import Clip
from .types import Faces, FaceTrack


def correct_face(clip: Clip, hand: Faces, index: int, found: Faces) -> FaceTrack:
    """One animal of `hand`, which has anchors, in `clip`'s pixels and at its frames, carried on by what is found there.

    Raises:
        ValueError: as `Clip.face`.
    """
    pace = clip.frame_rate / hand.frame_rate if hand.frame_rate else 1
    anchors = sorted({min(round(frame * pace), clip.frames - 1) for frame in hand.anchors[index]})
    tracks = [clip.face(found, other) for other in range(len(found.tracks))]
    return correct_track(clip.face(hand, index), anchors, tracks)


def correct_track(hand: FaceTrack, anchors: Sequence[int], found: Sequence[FaceTrack]) -> FaceTrack:
    """The points of `hand` in the frames it was set in; elsewhere those of the animal it was set on, corrected alike.

    A correction is what a point was moved by. It turns and grows with the head, and goes over from one frame that was
    set to the next.

    Args:
        hand: T frames, right in `anchors`.
        anchors: numbers of the frames that were set, increasing.
        found: tracks of T frames. When none lies under the points, `hand` is given back.
    """
    anchors = np.asarray(anchors)
    track = _track_under(hand[anchors], [track[anchors] for track in found])
    if track is None:
        return hand
    animal = found[track]
    points = _complex(animal.keypoints)
    centred = points - points.mean(axis=1, keepdims=True)
    at = np.arange(len(points))
    shares = np.stack([np.interp(at, anchors, row) for row in np.eye(len(anchors))], axis=1)
    for anchor, share in zip(anchors, shares.T, strict=True):
        correction = _complex(hand.keypoints[anchor]) - _complex(animal.keypoints[anchor])
        growth = (centred @ centred[anchor].conj()) / max(np.sum(np.abs(centred[anchor]) ** 2), 1e-9)
        points = points + (share * growth)[:, None] * correction
    seen = animal.visible | (at >= anchors[0]) & (at <= anchors[-1])
    return replace(
        hand,
        boxes=animal.boxes,
        keypoints=np.stack([points.real, points.imag], axis=-1).astype(np.float32),
        score=np.maximum(animal.score, (shares @ hand.score[anchors] >= 1).astype(np.float32)),
        visible=hand.visible & seen,
    )


def _track_under(hand: FaceTrack, found: Sequence[FaceTrack]) -> int | None:
    """Which of the tracks lies under `hand` in frames in which both are seen; None when none comes near."""
    size = np.maximum((hand.boxes[:, 2:] - hand.boxes[:, :2]).max(axis=1), 1.0)
    apart = {}
    for index, track in enumerate(found):
        distance = np.linalg.norm(track.keypoints.mean(axis=1) - hand.keypoints.mean(axis=1), axis=-1) / size
        if track.visible.any():
            apart[index] = distance[track.visible].mean()
    nearest = min(apart, key=apart.get, default=None)
    return nearest if nearest is not None and apart[nearest] < 1 else None


def _complex(points: np.ndarray) -> np.ndarray:
    """(..., 2) -> (...) complex, x + iy."""
    return points[..., 0] + 1j * points[..., 1].astype(np.float64)
