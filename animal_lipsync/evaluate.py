"""How well a mouth follows a voice, measured on the finished video.

The mouth's opening is seen by `openness`, which knows neither engine nor motion; the voice's is what `hearing` makes of
the sound.

- **correlation**: of the opening seen with the opening heard, at the lag at which they fit best. 1 is perfect.
- **lag**: that lag, by which the mouth is late. Viewers notice from about 0.05 s on.
- **confidence**: how far the best lag stands out: its correlation less the median over all lags within WINDOW.
- **closures**: the share of [p], [b] and [m] in which the lips are seen to meet.
- **leak**: how far the mouth stands open in pauses, as a share of its usual opening.

Figures mean something beside controls, in which nothing can fit: the voice **backwards**, **later**, and in pieces in
another order (**shuffled**), as correlations; the mouth of the **source** itself; and a **silent** voice, of which the
mouth's whole movement is leak. The most that can be hoped for is told by `upper_bound`, what became of the rest of the
picture by `preservation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np

from .image import to_frames
from .openness import openness
from .preservation import Preservation
from .types import FaceTrack, MouthMotion
from .video import pingpong_indices

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
PIECE = 0.5
"""Seconds of the pieces in which the voice of a control is shuffled."""
ORDERS = 8
"""Orders of them; the control is their mean."""
TOGETHER = 25
"""Frames looked at in one go."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Of one video; correlations lie in [-1, 1], shares in [0, 1], NaN where there is nothing to measure."""

    opening: np.ndarray
    """(T,) of the mouth, seen; half widths of the mouth."""
    expected: np.ndarray
    """(T,) of the mouth, heard: `jaw_open`."""
    frame_rate: Fraction
    by_lag: np.ndarray
    """(2 reach + 1,) correlation at every lag from -WINDOW to WINDOW."""
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
    shuffled: float
    """Control: the correlation with pieces of the voice in another order, at its best lag."""
    silent: float
    """Control: the leak, were the voice silent throughout."""
    still: float
    """Control: the correlation of the source's own mouth; NaN without a source, as is all that follows."""
    changed_outside: float = np.nan
    """0 to 255; see `preservation` for this and the rest."""
    identity: float = np.nan
    texture: float = np.nan
    flicker: float = np.nan
    """0 to 255, as the next two."""
    mouth_flicker: float = np.nan
    seam: float = np.nan

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
        face: where the animal is in the source; of one row that holds for all, or of one per frame of a source that is
            played forth and back where it is shorter.
        voice: what the voice should look like, at the video's frame rate.
        source: uint8 (H, W, 3), what the video was made from, as many frames.

    Raises:
        ValueError: the video has no frames.
    """
    rest = Preservation()
    seen, own = [], []
    for batch, sources, rows in _batches(frames, source, face):
        seen.append(openness(to_frames(batch), rows).numpy())
        if sources is not None:
            own.append(openness(to_frames(sources), rows).numpy())
            rest.add(batch, sources, rows)
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
        by_lag,
        correlation=float(by_lag[best]),
        lag=(best - reach) / rate,
        confidence=float(by_lag[best] - np.median(by_lag)),
        closures=_closures(share, voice, rate),
        leak=_leak(share, voice, rate),
        turned_round=float(lag_correlations(opening, expected[::-1], reach).max()),
        put_off=_correlation(opening, np.roll(expected, round(PUT_OFF * rate))),
        shuffled=_shuffled(opening, expected, reach, max(1, round(PIECE * rate))),
        silent=float(np.clip(share, 0, None).mean()),
        still=float(lag_correlations(np.concatenate(own), expected, reach).max()) if own else np.nan,
        **(rest.figures() if own else {}),
    )


def lag_correlations(seen: np.ndarray, heard: np.ndarray, reach: int) -> np.ndarray:
    """(2 reach + 1,) correlation of what is seen with what was heard -reach to +reach frames earlier."""
    count = len(seen)
    found = []
    for lag in range(-reach, reach + 1):
        first, last = max(lag, 0), max(min(count, count + lag), 0)
        found.append(_correlation(seen[first:last], heard[first - lag : last - lag]))
    return np.array(found)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 3 or min(a.std(), b.std()) < STEADY:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _shuffled(opening: np.ndarray, expected: np.ndarray, reach: int, piece: int) -> float:
    chance = np.random.default_rng(0)
    pieces = [expected[start : start + piece] for start in range(0, len(expected), piece)]
    orders = [[pieces[i] for i in chance.permutation(len(pieces))] for _ in range(ORDERS)]
    return float(np.mean([lag_correlations(opening, np.concatenate(order), reach).max() for order in orders]))


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
        rows = face if len(face) == 1 else face[pingpong_indices(len(face), start + len(batch))[start:]]
        yield np.stack(batch), source and np.stack(list(islice(source, len(batch)))), rows
        start += len(batch)
