"""Which faces of a video's frames are one animal, and where its points were: match, fill gaps, settle.

NumPy only; knows nothing of pixels (following.py) or networks (detection.py).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from .speaker import left_to_right
from .types import Faces, FaceTrack

REACH = 0.8
"""How far a head may have moved between two sightings, over its own size; grows with the square root of the gap."""
SLACK = 6
"""Frames that a head may have gone on while its points stuck to what it went behind."""
APPEARANCE_WEIGHT = 1.5
"""Cost of a face that looks entirely different, where 1 is a face `REACH` away."""
GAP_COST = 0.004
"""Cost of a frame in which it was not seen."""
MAX_COST = 1.5
SOON, NEARBY = 2.0, 1.0
"""Within so many seconds, and so near over its size, the only head around is the one just lost, whatever it looks like:
heads turn."""
BRIDGE = 0.2
"""Seconds; an animal that is not seen for longer counts as not visible until it is seen again."""
SIGHTING_NOISE = 0.015
"""How far off a point of score 1 is, where a network looked, over the head's size."""
STILL_NOISE, MOVING_NOISE, CHANGE_NOISE = 0.0008, 0.1, 0.06
"""How far off a followed point goes in one frame: at rest, per distance it moves, and per unlikeness of the head."""
UNKNOWN_MOTION = 0.05
"""The same in a frame where it was neither seen nor followed."""


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
    runs: np.ndarray = None
    """(N,) int: faces of one run were followed from frame to frame. Each its own run when not given."""
    moved: np.ndarray = None
    """(N, 11, 2) float32: pixels that the keypoints and the two corners of the box moved since the frame before,
    as followed; NaN where they were not."""
    alike: np.ndarray = None
    """(N,) float32, up to 1: how much the head looks like the one it was followed from."""
    placed: np.ndarray = None
    """(N,) bool: the networks placed the points in this very frame; otherwise they were only followed."""
    glance: np.ndarray = None
    """(N, P) float32 of mean 0 and length 1: the head as small picture, when the networks last placed its points."""
    is_searched: bool = True
    """The whole picture was looked at."""
    scene: int = 0
    """Number of the scene: what is in one is not what is in another."""
    best_score: float = 0.0
    """Of all candidates, those below the asked-for score included."""

    def __post_init__(self):
        count = len(self.boxes)
        for name, value in (
            ("runs", np.full(count, -1)),
            ("moved", np.full((count, self.keypoints.shape[1] + 2, 2), np.nan, np.float32)),
            ("alike", np.ones(count, np.float32)),
            ("placed", np.ones(count, bool)),
            ("glance", np.zeros((count, 0), np.float32)),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, faces: np.ndarray) -> Detections:
        rows = {name: getattr(self, name)[faces] for name in ROWS}
        return replace(self, species=tuple(self.species[i] for i in faces), **rows)

    @property
    def certainty(self) -> np.ndarray:
        """(N,) float32 in [0, 1]: how sure it is that this is a face and where its points are."""
        return self.scores * self.keypoint_scores.mean(1)

    def turned(self, quarters: int) -> Detections:
        """The same faces of a still that is turned counterclockwise, as by `torch.rot90`."""
        if not quarters:
            return self
        corners, keypoints = (
            np.stack([points[..., 1], self.width - points[..., 0]], -1)
            for points in (self.boxes.reshape(-1, 2, 2), self.keypoints)
        )
        boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
        turned = replace(self, width=self.height, height=self.width, boxes=boxes, keypoints=keypoints)
        return turned.turned(quarters - 1)

    def joined(self, other: Detections) -> Detections:
        """These faces and then those of `other`, in one frame."""
        if not len(other):
            return self
        if not len(self):
            rows = {name: getattr(other, name) for name in ROWS}
        else:
            rows = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in ROWS}
        return replace(self, species=self.species + other.species, **rows)

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


ROWS = ("boxes", "scores", "keypoints", "keypoint_scores", "appearance", "runs", "moved", "alike", "placed", "glance")


def conspicuousness(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(N,) score times size, the order in which faces are listed."""
    return scores * np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).clip(0))


def track_faces(
    detections: Iterable[Detections], frame_rate: Fraction, *, max_gap: float = 4.0, min_seen: int = 2
) -> Faces:
    """Join the detections of a video's frames into one track per animal, numbered from left to right.

    An animal lost for no longer than `max_gap` is taken up again; it keeps its number through that and through
    crossings with others. A new scene ends every track.

    Args:
        max_gap: seconds.
        min_seen: searches that must have found an animal, unless the whole video has fewer; less is a false alarm.
    """
    runs: dict[int, _Sightings] = {}
    width = height = count = searches = 0
    best = (0.0, 0)
    for frame, seen in enumerate(detections):
        width, height, count, searches = seen.width, seen.height, frame + 1, searches + seen.is_searched
        best = max(best, (seen.best_score, -frame))
        for i, run in enumerate(seen.runs.tolist()):
            run = run if run >= 0 else -len(runs) - 1
            runs.setdefault(run, _Sightings(seen.scene)).add(frame, seen, i)
    animals = _join(list(runs.values()), max_gap, float(frame_rate))
    kept = [animal for animal in animals if sum(animal.placed) >= min(min_seen, searches)]
    tracks = [track.to_track(count, float(frame_rate)) for track in kept]
    hide_behind(tracks, [np.isin(np.arange(count), track.frames) for track in kept])
    order = left_to_right(tracks)
    return Faces(
        width,
        height,
        Fraction(frame_rate),
        count,
        tuple(tracks[i] for i in order),
        tuple(kept[i].score for i in order),
        best_candidate=(best[0], -best[1]),
    )


class _Sightings:
    """What is known of one animal: a run of frames, or several that were joined."""

    def __init__(self, scene: int):
        self.scene = scene
        self.frames: list[int] = []
        self.boxes: list[np.ndarray] = []
        self.points: list[np.ndarray] = []
        self.keypoint_scores: list[np.ndarray] = []
        self.scores: list[float] = []
        self.species: list[str] = []
        self.moved: list[np.ndarray] = []
        self.alike: list[float] = []
        self.placed: list[bool] = []
        self.looks: list[np.ndarray] = []

    def add(self, frame: int, seen: Detections, i: int):
        self.frames.append(frame)
        self.boxes.append(seen.boxes[i])
        self.points.append(np.concatenate([seen.keypoints[i], seen.boxes[i].reshape(2, 2)]))
        self.keypoint_scores.append(seen.keypoint_scores[i])
        self.scores.append(float(seen.scores[i]))
        self.species.append(seen.species[i])
        self.moved.append(seen.moved[i])
        self.alike.append(float(seen.alike[i]))
        self.placed.append(bool(seen.placed[i]))
        self.looks.append(seen.appearance[i])

    def extend(self, later: _Sightings):
        for name, values in vars(later).items():
            if name != "scene":
                getattr(self, name).extend(values)

    @property
    def appearance(self) -> np.ndarray:
        """Of length 1; the mean of how it looked."""
        mean = np.mean(self.looks, axis=0)
        return mean / np.linalg.norm(mean)

    @property
    def score(self) -> float:
        return float(np.mean(self.scores))

    @property
    def size(self) -> float:
        """Of the head; one that goes behind something only seems to shrink."""
        boxes = np.array(self.boxes)
        return max(1.0, float(np.median(np.max(boxes[:, 2:] - boxes[:, :2], axis=1))))

    def expected_box(self, frame: int) -> np.ndarray:
        """Where the head should be by now if it goes on as it went; at most three frames ahead."""
        if len(self.frames) < 3 or self.frames[-1] - self.frames[-3] > 4:
            return self.boxes[-1]
        speed = (self.boxes[-1] - self.boxes[-3]) / (self.frames[-1] - self.frames[-3])
        return self.boxes[-1] + speed * min(3, frame - self.frames[-1])

    def to_track(self, count: int, frame_rate: float) -> FaceTrack:
        """Of `count` frames: interpolated in gaps, where no point has a score; held still and not visible outside."""
        frames, first = np.array(self.frames), self.frames[0]
        span = self.frames[-1] - first + 1
        points = np.full((span, *self.points[0].shape), np.nan)
        moved, alike = points.copy(), np.ones(span)
        score = np.zeros((count, len(self.keypoint_scores[0])), np.float32)
        placed = frames[self.placed]
        points[placed - first] = np.array(self.points)[self.placed]
        moved[frames - first], alike[frames - first] = self.moved, self.alike
        score[frames] = self.keypoint_scores
        size = float(np.median(np.max(np.array(self.boxes)[:, 2:] - np.array(self.boxes)[:, :2], axis=1)))
        trust = np.concatenate([score[first : first + span], np.full((span, 2), 0.3)], axis=1)
        settled = settle(points / size, moved / size, trust, alike) * size
        rows = np.concatenate([settled[:1].repeat(first, 0), settled])
        rows = np.concatenate([rows, rows[-1:].repeat(count - len(rows), 0)]).astype(np.float32)
        visible = np.zeros(count, bool)
        visible[frames] = True
        for before, after in zip(frames[:-1], frames[1:], strict=True):
            visible[before:after] |= after - before <= BRIDGE * frame_rate
        species = max(set(self.species), key=self.species.count)
        return FaceTrack(rows[:, -2:].reshape(count, 4), rows[:, :-2], score, visible, species)


def _join(runs: list[_Sightings], max_gap: float, frame_rate: float) -> list[_Sightings]:
    """Runs of one animal made one: the cheapest pair of an end and a later start first, by place, size and looks."""
    runs, max_frames = sorted(runs, key=lambda run: run.frames[0]), max(1, round(max_gap * frame_rate))
    starts, looks = [run.frames[0] for run in runs], [run.appearance for run in runs]
    pairs = []
    for i, run in enumerate(runs):
        end = run.frames[-1]
        for k in range(bisect_right(starts, end), bisect_right(starts, end + max_frames)):
            if runs[k].scene != run.scene:
                continue
            box, other, size, gap = run.expected_box(starts[k]), runs[k].boxes[0], run.size, starts[k] - end
            distance = np.linalg.norm((other[:2] + other[2:] - box[:2] - box[2:]) / 2) / size
            moved = distance / (REACH * math.sqrt(gap + SLACK))
            cost = moved + GAP_COST * gap
            if gap > SOON * frame_rate or distance > NEARBY or not _is_alone(runs, i, k):
                grown, unlike = abs(math.log(runs[k].size / size)), 1 - float(looks[i] @ looks[k])
                cost += grown + APPEARANCE_WEIGHT * unlike
            if moved < 1 and cost < MAX_COST:
                pairs.append((cost, i, k))
    followed: dict[int, int] = {}
    for _, i, k in sorted(pairs):
        if i not in followed and k not in followed.values():
            followed[i] = k
    # from the last to the first, so that a run takes all that come after it along
    for i in sorted(followed, reverse=True):
        runs[i].extend(runs[followed[i]])
    return [run for k, run in enumerate(runs) if k not in followed.values()]


def _is_alone(runs: list[_Sightings], i: int, k: int) -> bool:
    """Whether no third head is seen about the time when run `i` ends and run `k` starts."""
    first, last = runs[i].frames[-1] - SLACK, runs[k].frames[0] + SLACK
    return not any(run.frames[0] <= last and run.frames[-1] >= first for n, run in enumerate(runs) if n not in (i, k))


def settle(points: np.ndarray, moved: np.ndarray, score: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """The likeliest path of each point, given where it was seen now and then and how it was followed in between.

    A random walk along the followed movement, solved for all frames at once (Rauch, Tung, Striebel 1965, as one
    tridiagonal system): what comes later counts as much as what came before, so nothing lags, gaps are bridged from
    both sides, and a head at rest is the mean of all that was seen of it.

    Args:
        points: (T, K, 2) over the head's size; NaN where not seen.
        moved: (T, K, 2) the same, since the frame before; NaN where not followed.
        score: (T, K) in [0, 1].
        alike: (T,) as in `Detections`.

    Returns:
        (T, K, 2).
    """
    is_seen = np.isfinite(points[..., 0])
    trust = is_seen * (0.05 + 0.95 * score) ** 2 / SIGHTING_NOISE**2
    speed = np.linalg.norm(moved, axis=-1)
    doubt = STILL_NOISE + MOVING_NOISE * speed + CHANGE_NOISE * (1 - alike.clip(0, 1))[:, None] ** 2
    firm = np.where(np.isfinite(speed), doubt, UNKNOWN_MOTION)[1:] ** -2.0
    push = firm[..., None] * np.nan_to_num(moved[1:])
    diagonal = trust.copy()
    diagonal[1:] += firm
    diagonal[:-1] += firm
    result = trust[..., None] * np.nan_to_num(points)
    result[1:] += push
    result[:-1] -= push
    for t in range(1, len(points)):
        share = firm[t - 1] / diagonal[t - 1]
        diagonal[t] -= share * firm[t - 1]
        result[t] += share[:, None] * result[t - 1]
    result[-1] /= diagonal[-1][:, None]
    for t in range(len(points) - 2, -1, -1):
        result[t] = (result[t] + firm[t][:, None] * result[t + 1]) / diagonal[t][:, None]
    return result


def hide_behind(tracks: list[FaceTrack], seen: list[np.ndarray]) -> None:
    """Where an animal is not seen and another is in its place, it is hidden: `visible` becomes False there."""
    for i, track in enumerate(tracks):
        for k, other in enumerate(tracks):
            if i == k:
                continue
            corner = (
                np.maximum(track.boxes[:, :2], other.boxes[:, :2]),
                np.minimum(track.boxes[:, 2:], other.boxes[:, 2:]),
            )
            common = np.prod((corner[1] - corner[0]).clip(0), axis=1)
            covered = common > 0.3 * np.prod(track.boxes[:, 2:] - track.boxes[:, :2], axis=1)
            track.visible[~seen[i] & seen[k] & covered] = False
