"""How one mouth takes the shapes that a voice or a track of visemes calls for, in its own manner.

Works on rows 100 times a second and is sampled at the frames of a video last of all, so that every frame rate shows the
same movement. Knows nothing of sound waves, faces or pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise, zip_longest

import numpy as np

from .styles import STYLES, build_of, respond
from .types import MouthMotion, VisemeTrack
from .visemes import FRAMES_PER_SECOND

WIDEST = 0.9
"""`jaw_open` of the widest vowel; beyond it lies shouting."""
PRESSING, RESTING = 0.015, 0.1
"""Seconds that lips already near each other take to meet, and that a mouth takes to come to rest."""
ROUNDING = 0.16
"""Seconds before a rounded vowel from which the lips round."""
PARTING = 0.12
"""Seconds before a voice sets in from which the mouth is seen to begin."""
FLAPPING, SWING = 6, 0.2
"""Times a second that a mouth opens and shuts at most, and the least change of `jaw_open` that counts as that."""


@dataclass(frozen=True)
class Mouth:
    """Whose mouth speaks, and in which manner."""

    style: str = "natural"
    """One of `styles.STYLES`."""
    strength: float = 1.0
    """0 to 2, how far jaw and lips move; lips that meet always meet."""
    species: str = "unknown"
    """Of the animal; unknown ones move like a dog."""

    def __post_init__(self):
        if self.style not in STYLES:
            raise ValueError(f"There is no style {self.style!r}; they are {', '.join(STYLES)}.")
        if not 0 <= self.strength <= 2:
            raise ValueError(f"strength must lie between 0 and 2, got {self.strength:g}.")

    def say(self, track: VisemeTrack, shapes: np.ndarray, frame_rate: Fraction, duration: Fraction) -> MouthMotion:
        """Lip shapes (T, 3) 100 times a second, and what the cues demand: lips that meet, a mouth at rest in pauses."""
        style, build = STYLES[self.style], build_of(self.species)
        opening, pucker, wide = shapes.T.astype(float)
        opening = build.widest * respond(WIDEST * opening, self.strength * style.opening, contrast=style.contrast)
        opening = _slowly(_without_flapping(_held(opening, style.hold)), build.fastest)
        pucker, wide = (
            build.lips * respond(lips, self.strength * style.lips) for lips in (_early(pucker, ROUNDING), wide)
        )
        length = max(1, round(duration * frame_rate))
        frames = np.arange(length) / float(frame_rate)
        rows = (np.arange(len(shapes)) + 0.5) / FRAMES_PER_SECOND
        jaw, pucker, wide = (
            np.interp(frames, rows, smooth(column, style.calm * FRAMES_PER_SECOND)) if len(rows) else np.zeros(length)
            for column in (opening, pucker, wide)
        )
        shut, rest, bite, tongue, parted = np.zeros((5, length))
        for cue, following in zip_longest(track.cues, track.cues[1:]):
            if cue.viseme == "PP":
                _hold(shut, frames, cue.start, cue.end, PRESSING)
                # a slow video may have no frame within; the nearest one shows it
                shut[min(length - 1, max(0, round((cue.start + cue.end) / 2 * float(frame_rate))))] = 1
            elif cue.viseme == "sil":
                # a mouth comes to rest after it spoke and leaves it before it speaks
                start = cue.start + RESTING if cue is not track.cues[0] else cue.start - RESTING
                end = cue.end - RESTING / 2 if following else cue.end + RESTING
                _hold(rest, frames, start, end, RESTING / 2)
                if following and following.viseme != "PP" and cue.end - cue.start > 2 * PARTING:
                    _hold(parted, frames, cue.end - 0.02, cue.end, PARTING)
            elif cue.viseme == "FF":
                _hold(bite, frames, cue.start, cue.end, PRESSING)
            elif cue.viseme == "TH":
                _hold(tongue, frames, cue.start, cue.end, PRESSING)
        jaw = np.maximum(jaw * (1 - rest), min(1.0, self.strength) * style.parted * build.widest * parted)
        motion = MouthMotion.from_channels(
            frame_rate,
            length,
            jaw_open=jaw,
            mouth_wide=wide * (1 - rest),
            mouth_pucker=pucker * (1 - rest),
            mouth_close=np.maximum(shut, 0.4 * bite),
            tongue_out=np.maximum(0.15 * jaw**2, 0.12 * tongue),
        )
        return replace(motion, visemes=track)


def _early(values: np.ndarray, seconds: float) -> np.ndarray:
    """Each rise begun up to `seconds` earlier, as lips round while what comes before a vowel is still said."""
    fall = np.arange(len(values)) / (seconds * FRAMES_PER_SECOND)
    return (np.maximum.accumulate((values - fall)[::-1])[::-1] + fall).clip(0) if len(values) else values


def _held(opening: np.ndarray, seconds: float) -> np.ndarray:
    """The opening with every peak held for `seconds` more; dips shorter than that are filled."""
    reach = round(seconds * FRAMES_PER_SECOND / 2)
    padded = np.pad(opening, reach)
    return np.maximum.reduce([padded[i : i + len(opening)] for i in range(2 * reach + 1)])


def _slowly(opening: np.ndarray, fastest: float) -> np.ndarray:
    """The largest movement below `opening` that changes by no more than `fastest` a second: short vowels fall short."""
    for _ in range(2):
        steps = np.arange(len(opening)) * (fastest / FRAMES_PER_SECOND)
        opening = (np.minimum.accumulate(opening - steps) + steps)[::-1]
    return opening


def _without_flapping(opening: np.ndarray) -> np.ndarray:
    """The opening with dips filled where three peaks follow each other faster than FLAPPING allows."""
    opening = opening.copy()
    kept: list[int] = []
    for peak in _peaks(opening):
        kept.append(peak)
        while len(kept) > 2 and (kept[-1] - kept[-3]) * FLAPPING < 2 * FRAMES_PER_SECOND:
            dips = [opening[first : last + 1] for first, last in pairwise(kept[-3:])]
            shallower = int(dips[1].min() > dips[0].min())
            dip = dips[shallower]
            np.maximum(dip, min(dip[0], dip[-1]), out=dip)
            pair = kept[-3:][shallower : shallower + 2]
            kept.remove(min(pair, key=opening.__getitem__))
    return opening


def _peaks(opening: np.ndarray) -> list[int]:
    """Rows of the tops between which the opening falls, and rises again, by at least SWING."""
    peaks: list[int] = []
    low, top, is_rising = 0.0, 0, False
    for row, value in enumerate(opening.tolist()):
        if is_rising:
            if value > opening[top]:
                top = row
            elif value < opening[top] - SWING:
                peaks.append(top)
                low, is_rising = value, False
        elif value > low + SWING:
            top, is_rising = row, True
        else:
            low = min(low, value)
    return peaks + [top] * is_rising


def _hold(values: np.ndarray, frames: np.ndarray, start: float, end: float, ramp: float) -> None:
    """Raise `values` to 1 from `start` to `end`, gently within the seconds of `ramp` before and after."""
    if end <= start:
        return
    first, last = np.searchsorted(frames, (start - ramp, end + ramp))
    at = frames[first:last]
    near = np.clip(np.minimum(at - start, end - at) / ramp + 1, 0, 1)
    values[first:last] = np.maximum(values[first:last], near * near * (3 - 2 * near))


def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur along time, sigma in rows."""
    if not len(values) or sigma == 0:
        return values
    radius = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, [(radius, radius)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    return sum(weight * padded[i : i + len(values)] for i, weight in enumerate(kernel))
