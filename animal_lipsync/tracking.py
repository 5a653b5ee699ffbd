"""Which face in one frame is which in the next: match, fill gaps, smooth, choose.

NumPy only; knows nothing of pixels or networks (detection.py).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from .types import Faces, FaceTrack

logger = logging.getLogger(__name__)

REACH = 0.8
"""How far a head may have moved between two sightings, over its own size; grows with the square root of the gap."""
APPEARANCE_WEIGHT = 1.5
"""Cost of a face that looks entirely different, where 1 is a face `REACH` away."""
MAX_COST = 1.5


class NoFaceError(ValueError):
    """There is no animal face to work on; the message says what was looked at and what to do."""


@dataclass(frozen=True, eq=False)
class Detections:
    """The N animal faces of one frame, as the networks saw them."""

    width: int
    height: int
    boxes: np.ndarray
    """(N, 4) float32: x1, y1, x2, y2 in pixels."""
    scores: np.ndarray
    """(N,) float32 in [0, 1]: how sure it is that this is a face."""
    keypoints: np.ndarray
    """(N, 9, 2) float32, `animal9`, pixels."""
    keypoint_scores: np.ndarray
    """(N, 9) float32 in [0, 1]."""
    species: tuple[str, ...]
    appearance: np.ndarray
    """(N, E) float32 of length 1: two faces of one animal have a dot product near 1."""
    is_cut: bool = False
    """The first frame of a new scene: nothing here is what it was a frame ago."""
    best_score: float = 0.0
    """Of all candidates, those below the asked-for score included."""

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, faces: np.ndarray) -> Detections:
        return replace(
            self,
            boxes=self.boxes[faces],
            scores=self.scores[faces],
            keypoints=self.keypoints[faces],
            keypoint_scores=self.keypoint_scores[faces],
            species=tuple(np.array(self.species, object)[faces]),
            appearance=self.appearance[faces],
        )

    @classmethod
    def none(cls, width: int, height: int) -> Detections:
        """A frame without faces."""
        boxes, scores, keypoints, keypoint_scores, appearance = (
            np.zeros(shape, np.float32) for shape in ((0, 4), (0,), (0, 9, 2), (0, 9), (0, 0))
        )
        return cls(width, height, boxes, scores, keypoints, keypoint_scores, (), appearance)

    def to_faces(self) -> Faces:
        """The same as a picture's faces, in the same order."""
        tracks = tuple(
            FaceTrack(
                self.boxes[i : i + 1],
                self.keypoints[i : i + 1],
                self.keypoint_scores[i : i + 1],
                np.ones(1, bool),
                self.species[i],
            )
            for i in range(len(self))
        )
        return Faces(self.width, self.height, Fraction(0), 1, tracks, tuple(float(score) for score in self.scores))


def conspicuousness(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(N,) score times size, the order in which faces are listed."""
    return scores * np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).clip(0))


def track_faces(
    detections: Iterable[Detections], frame_rate: Fraction, *, max_gap: float = 1.0, min_seen: int = 3
) -> Faces:
    """Join the detections of a video's frames into one track per animal, the most conspicuous first.

    An animal lost for no longer than `max_gap` is taken up again and its frames in between are interpolated; it keeps
    its number through that and through crossings with others. A new scene ends every track.

    Args:
        max_gap: seconds.
        min_seen: frames; a shorter track is taken for a false alarm, unless the whole video is shorter.
    """
    max_frames = max(1, round(max_gap * float(frame_rate)))
    sightings: list[_Sightings] = []
    live: list[_Sightings] = []
    width = height = count = 0
    best = (0.0, 0)
    for frame, seen in enumerate(detections):
        width, height, count = seen.width, seen.height, frame + 1
        best = max(best, (seen.best_score, -frame))
        live = [] if seen.is_cut else [track for track in live if frame - track.frames[-1] <= max_frames]
        matched = _match(live, seen, frame)
        for i in range(len(seen)):
            if i in matched:
                matched[i].add(frame, seen, i)
            else:
                live.append(_Sightings(frame, seen, i))
                sightings.append(live[-1])
    kept = [track for track in sightings if len(track.frames) >= min(min_seen, count)]
    if not kept:
        logger.warning("no animal face in %d frames; best candidate %.2f at frame %d", count, best[0], -best[1])
    kept.sort(key=lambda track: -track.prominence)
    tracks = tuple(smooth_track(track.to_track(count), frame_rate) for track in kept)
    return Faces(width, height, Fraction(frame_rate), count, tracks, tuple(track.score for track in kept))


class _Sightings:
    """What is known of one animal while a video is read."""

    def __init__(self, frame: int, seen: Detections, i: int):
        self.frames: list[int] = []
        self.boxes: list[np.ndarray] = []
        self.keypoints: list[np.ndarray] = []
        self.keypoint_scores: list[np.ndarray] = []
        self.scores: list[float] = []
        self.species: list[str] = []
        self.appearance = seen.appearance[i]
        self.add(frame, seen, i)

    def add(self, frame: int, seen: Detections, i: int):
        self.frames.append(frame)
        self.boxes.append(seen.boxes[i])
        self.keypoints.append(seen.keypoints[i])
        self.keypoint_scores.append(seen.keypoint_scores[i])
        self.scores.append(float(seen.scores[i]))
        self.species.append(seen.species[i])
        blended = 0.9 * self.appearance + 0.1 * seen.appearance[i]
        self.appearance = blended / np.linalg.norm(blended)

    @property
    def score(self) -> float:
        return float(np.mean(self.scores))

    @property
    def prominence(self) -> float:
        return float(conspicuousness(np.array(self.boxes), np.array(self.scores)).sum())

    def expected_box(self, frame: int) -> np.ndarray:
        """Where the head should be by now if it goes on as it went; at most three frames ahead."""
        if len(self.frames) < 3 or self.frames[-1] - self.frames[-3] > 4:
            return self.boxes[-1]
        speed = (self.boxes[-1] - self.boxes[-3]) / (self.frames[-1] - self.frames[-3])
        return self.boxes[-1] + speed * min(3, frame - self.frames[-1])

    def to_track(self, count: int) -> FaceTrack:
        """Of `count` frames: interpolated in gaps, where no point has a score; held still and not visible outside."""
        frames = np.array(self.frames)
        rows = np.concatenate([np.array(self.boxes), np.array(self.keypoints).reshape(len(frames), -1)], axis=1)
        rows = np.stack([np.interp(np.arange(count), frames, column) for column in rows.T], axis=1).astype(np.float32)
        score = np.zeros((count, len(self.keypoint_scores[0])), np.float32)
        score[frames] = self.keypoint_scores
        visible = np.zeros(count, bool)
        visible[frames[0] : frames[-1] + 1] = True
        species = max(set(self.species), key=self.species.count)
        return FaceTrack(rows[:, :4], rows[:, 4:].reshape(count, -1, 2), score, visible, species)


def _match(live: list[_Sightings], seen: Detections, frame: int) -> dict[int, _Sightings]:
    """Which detection goes on which track: the cheapest pair first, by place, size and looks."""
    pairs = []
    for track in live:
        box = track.expected_box(frame)
        size = max(box[2] - box[0], box[3] - box[1], 1.0)
        reach = REACH * size * math.sqrt(frame - track.frames[-1])
        for i in range(len(seen)):
            other = seen.boxes[i]
            moved = np.linalg.norm((other[:2] + other[2:] - box[:2] - box[2:]) / 2) / reach
            grown = abs(math.log(max(1.0, *(other[2:] - other[:2])) / size))
            looks = 1 - float(track.appearance @ seen.appearance[i])
            cost = moved + grown + APPEARANCE_WEIGHT * looks
            if moved < 1 and cost < MAX_COST:
                pairs.append((cost, id(track), i, track))
    matched: dict[int, _Sightings] = {}
    for _, _, i, track in sorted(pairs):
        if i not in matched and track not in matched.values():
            matched[i] = track
    return matched


def smooth_track(track: FaceTrack, frame_rate: Fraction, *, cutoff: float = 0.6, response: float = 0.9) -> FaceTrack:
    """The same track without the trembling of a still head, and without lag: filtered forwards and backwards in time.

    The One Euro filter (Casiez, Roussel, Vogel 2012): a low-pass whose cutoff rises with speed.

    Args:
        cutoff: Hz, for a point at rest; lower is calmer.
        response: Hz gained per head size per second of speed; higher follows fast movement more closely.
    """
    if len(track) < 3 or not frame_rate:
        return track
    boxes, keypoints = track.boxes.copy(), track.keypoints.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], track.visible, [False]]).astype(int)))
    for start, end in edges.reshape(-1, 2):
        part = slice(start, end)
        size = float(np.median(np.maximum(*(boxes[part, 2:] - boxes[part, :2]).T)))
        rows = np.concatenate([keypoints[part].reshape(end - start, -1), boxes[part]], axis=1).astype(float) / size
        rows = rows.reshape(end - start, -1, 2)
        # the movement goes on past both ends, so that the filters have settled when they reach the first real frame
        pad = min(end - start - 1, round(frame_rate))
        rows = np.concatenate([2 * rows[0] - rows[pad:0:-1], rows, 2 * rows[-1] - rows[-2 : -pad - 2 : -1]])
        smooth = _one_euro(rows, float(frame_rate), cutoff, response)
        smooth = (smooth + _one_euro(rows[::-1], float(frame_rate), cutoff, response)[::-1]) / 2
        smooth = smooth[pad : pad + end - start] * size
        keypoints[part], boxes[part] = smooth[:, :-2], smooth[:, -2:].reshape(-1, 4)
    return replace(track, boxes=boxes, keypoints=keypoints)


def _one_euro(points: np.ndarray, frame_rate: float, cutoff: float, response: float) -> np.ndarray:
    """Filter (T, K, 2) forwards; one speed per point, so that x and y keep together."""

    def share(hertz):
        return 1 / (1 + frame_rate / (2 * math.pi * hertz))

    smooth = points.copy()
    velocity = np.zeros_like(points[0])
    for t in range(1, len(points)):
        velocity += share(1.0) * ((points[t] - points[t - 1]) * frame_rate - velocity)
        speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
        smooth[t] = smooth[t - 1] + share(cutoff + response * speed) * (points[t] - smooth[t - 1])
    return smooth


def choose_face(faces: Faces, speaker: int | str | tuple[float, float] = 0) -> FaceTrack:
    """The animal that speaks.

    Args:
        speaker: its number; or "largest", "central", "left", "right", or a species; or a point (x, y) in pixels on it.

    Raises:
        NoFaceError: no face at all, or none of that number or species.
    """
    if not faces.tracks:
        where = "this picture" if faces.frames == 1 else f"{faces.frames} frames"
        raise NoFaceError(
            f"No animal face was found in {where}. Lower min_score if the face is small, dark or turned away, "
            "or set its points by hand."
        )
    found = ", ".join(f"{i}: {track.species}" for i, track in enumerate(faces.tracks))
    if isinstance(speaker, int):
        if not 0 <= speaker < len(faces.tracks):
            raise NoFaceError(f"There is no face number {speaker}; the faces found are {found}.")
        return faces.tracks[speaker]
    boxes = np.stack([track.boxes[track.visible].mean(axis=0) for track in faces.tracks])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    if isinstance(speaker, tuple):
        return faces.tracks[int(np.linalg.norm(centres - speaker, axis=1).argmin())]
    cost = {
        "largest": -np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        "central": np.linalg.norm(centres - (faces.width / 2, faces.height / 2), axis=1),
        "left": centres[:, 0],
        "right": -centres[:, 0],
    }
    if speaker in cost:
        return faces.tracks[int(cost[speaker].argmin())]
    for track in faces.tracks:
        if track.species == speaker:
            return track
    raise NoFaceError(f"There is no face of species {speaker!r}; the faces found are {found}.")
