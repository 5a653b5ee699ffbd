"""How well a mouth follows a voice, measured on the finished video, and what became of the rest of the picture.

The mouth's opening is seen by `openness`, which knows neither engine nor motion; the voice's is what `hearing` makes of
the sound. Every figure stands beside controls: the same video under the voice turned round, put off, and silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np

from .image import to_frames
from .openness import openness
from .schemas import NOSE
from .types import FaceTrack, MouthMotion

WINDOW = 0.4
"""Seconds by which a mouth may be early or late and still be found."""
PUT_OFF = 1.3
"""Seconds by which the voice of a control is put off; more than WINDOW, and no multiple of a syllable."""
STEADY = 1e-5
"""Deviation of a curve that does not move; nothing can be said to follow it."""
NEAR = 0.04
"""Seconds around a closure in which the lips count as met."""
PAUSE = 0.2
"""Seconds a silence must last before the mouth is expected to be shut; its first and last tenth do not count."""
CLOSED = 0.25
"""Share of a mouth's usual opening below which it counts as closed."""
HEAD = np.array([-0.25, -0.25, 0.25, 0.7])
"""Sizes of the head by which each edge of its box moves out to hold all that a jaw may move."""
TOGETHER = 25
"""Frames looked at in one go."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Of one video; correlations lie in [-1, 1], shares in [0, 1]; NaN where there is nothing to measure."""

    opening: np.ndarray
    """(T,) of the mouth, seen; half widths of the mouth."""
    expected: np.ndarray
    """(T,) of the mouth, heard: `jaw_open`."""
    frame_rate: Fraction
    correlation: float
    """Between both, at the lag at which they fit best."""
    lag: float
    """Seconds by which the mouth is late, < 0: early."""
    confidence: float
    """Correlation at the best lag less the median over all lags within WINDOW."""
    closures: float
    """Share of [p], [b], [m] in which the lips are seen to meet within NEAR."""
    leak: float
    """Mean opening in pauses as a share of the usual one, which is the 90th percentile."""
    turned_round: float
    """Control: the correlation with the voice played backwards, at its best lag."""
    put_off: float
    """Control: the correlation with the voice PUT_OFF seconds later."""
    still: float
    """Control: the correlation of the source's own mouth; NaN without a source."""
    changed_outside: float
    """Mean change of pixels well outside the head, 0 to 255: what an engine should not touch, and what compression did
    to it; NaN without a source."""
    texture: float
    """Fine detail of the face above the nose as a share of the source's; NaN without a source."""
    flicker: float
    """Mean change of the face above the nose from frame to frame beyond the source's own, 0 to 255; NaN without a
    source."""

    def summary(self) -> dict[str, float | None]:
        """The figures alone, rounded; None for NaN."""
        names = [name for name, value in vars(self).items() if isinstance(value, float)]
        return {name: None if np.isnan(value := getattr(self, name)) else round(value, 4) for name in names}


def evaluate(
    frames: Iterable[np.ndarray],
    face: FaceTrack,
    voice: MouthMotion,
    *,
    source: Iterable[np.ndarray] | None = None,
) -> Evaluation:
    """Judge one video.

    Args:
        frames: uint8 (H, W, 3) of the video.
        face: where the animal is in the source; of one row that holds for all, or of one per frame.
        voice: what the voice should look like, at the video's frame rate.
        source: uint8 (H, W, 3), what the video was made from, as many frames.

    Raises:
        ValueError: the video has no frames.
    """
    rest = _Rest()
    seen, own = [], []
    for batch, sources, rows in _batches(frames, source, face):
        seen.append(openness(to_frames(batch), rows).numpy())
        if sources is not None:
            own.append(openness(to_frames(sources), rows).numpy())
            rest.compare(batch, sources, rows)
    if not seen:
        raise ValueError("The video has no frames to look at.")
    opening = np.concatenate(seen)
    rate = float(voice.frame_rate)
    expected = _fitted(voice.channel("jaw_open"), len(opening))
    reach = round(WINDOW * rate)
    by_lag = lag_correlations(opening, expected, reach)
    best = int(np.argmax(by_lag))
    usual = max(float(np.percentile(opening, 90) - np.percentile(opening, 5)), 1e-6)
    share = (opening - np.percentile(opening, 5)) / usual
    return Evaluation(
        opening,
        expected,
        voice.frame_rate,
        correlation=float(by_lag[best]),
        lag=(best - reach) / rate,
        confidence=float(by_lag[best] - np.median(by_lag)),
        closures=_closures(share, voice, rate),
        leak=_leak(share, voice, rate),
        turned_round=float(lag_correlations(opening, expected[::-1], reach).max()),
        put_off=_correlation(opening, np.roll(expected, round(PUT_OFF * rate))),
        still=float(lag_correlations(np.concatenate(own), expected, reach).max()) if own else np.nan,
        changed_outside=rest.changed_outside,
        texture=rest.texture,
        flicker=rest.flicker,
    )


def lag_correlations(seen: np.ndarray, heard: np.ndarray, reach: int) -> np.ndarray:
    """(2 reach + 1,) correlation of what is seen with what was heard -reach to +reach frames earlier."""
    count = len(seen)
    found = []
    for lag in range(-reach, reach + 1):
        first, last = max(lag, 0), min(count, count + lag)
        found.append(_correlation(seen[first:last], heard[first - lag : last - lag]))
    return np.array(found)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 3 or min(a.std(), b.std()) < STEADY:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


class _Rest:
    """Sums up what became of the picture around the mouth."""

    def __init__(self):
        self.outside, self.detail, self.steps = [], [], []
        self.before: tuple[np.ndarray, np.ndarray] | None = None

    def compare(self, frames: np.ndarray, sources: np.ndarray, face: FaceTrack) -> None:
        height, width = (min(a, b) for a, b in zip(frames.shape[1:3], sources.shape[1:3], strict=True))
        for index, pair in enumerate(zip(frames, sources, strict=True)):
            made, given = (frame[:height, :width].astype(np.float32) for frame in pair)
            row = min(index, len(face) - 1)
            box, nose = face.boxes[row], face.keypoints[row, NOSE]
            away = np.ones((height, width), bool)
            size = max(box[2] - box[0], box[3] - box[1])
            away[_within(box + HEAD * size, height, width)] = False
            if away.any():
                self.outside.append(np.abs(made - given)[away].mean())
            upper = _within(np.array([*box[:3], min(box[3], nose[1])]), height, width)
            parts = made[upper].mean(2), given[upper].mean(2)
            if min(parts[0].shape) < 4:
                continue
            self.detail.append([np.abs(part[1:-1, 1:-1] * 4 - _around(part)).mean() for part in parts])
            if self.before is not None and self.before[0].shape == parts[0].shape:
                self.steps.append([np.abs(a - b).mean() for a, b in zip(parts, self.before, strict=True)])
            self.before = parts

    @property
    def changed_outside(self) -> float:
        return float(np.mean(self.outside)) if self.outside else np.nan

    @property
    def texture(self) -> float:
        if not self.detail:
            return np.nan
        made, given = np.mean(self.detail, 0)
        return float(made / max(given, 1e-6))

    @property
    def flicker(self) -> float:
        if not self.steps:
            return np.nan
        made, given = np.mean(self.steps, 0)
        return float(made - given)


def _within(box: np.ndarray, height: int, width: int) -> tuple[slice, slice]:
    x1, y1, x2, y2 = (int(value) for value in np.clip(box, 0, [width, height] * 2))
    return slice(y1, y2), slice(x1, x2)


def _around(part: np.ndarray) -> np.ndarray:
    return part[:-2, 1:-1] + part[2:, 1:-1] + part[1:-1, :-2] + part[1:-1, 2:]


def _closures(share: np.ndarray, voice: MouthMotion, rate: float) -> float:
    met = []
    for cue in voice.visemes.cues:
        if cue.viseme == "PP":
            first, last = (int(round(at * rate)) for at in (cue.start - NEAR, cue.end + NEAR))
            around = share[max(first, 0) : last + 1]
            if len(around):
                met.append(around.min() < CLOSED)
    return float(np.mean(met)) if met else np.nan


def _leak(share: np.ndarray, voice: MouthMotion, rate: float) -> float:
    silent = np.zeros(len(share), bool)
    for cue in voice.visemes.cues:
        if cue.viseme == "sil" and cue.end - cue.start >= PAUSE:
            margin = 0.1 + 0.1 * (cue.end - cue.start)
            silent[round((cue.start + margin) * rate) : round((cue.end - margin) * rate)] = True
    return float(np.clip(share[silent], 0, None).mean()) if silent.any() else np.nan


def _fitted(values: np.ndarray, length: int) -> np.ndarray:
    return np.pad(values, (0, max(0, length - len(values))))[:length]


def _batches(frames, source, face: FaceTrack) -> Iterator[tuple[np.ndarray, np.ndarray | None, FaceTrack]]:
    frames, source, start = iter(frames), source and iter(source), 0
    while batch := list(islice(frames, TOGETHER)):
        rows = face if len(face) == 1 else face[np.minimum(np.arange(start, start + len(batch)), len(face) - 1)]
        yield np.stack(batch), source and np.stack(list(islice(source, len(batch)))), rows
        start += len(batch)
