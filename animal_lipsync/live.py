"""A voice that is still being spoken: motion with a delay of an eighth of a second.

The network of hearing.py hears 60 ms ahead instead of 620, which costs it next to nothing, and loudness is measured
against what was said so far. There are no cues: closures come and go with how sure the network is of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from .articulation import WIDEST
from .hearing import BANDS, FLOOR, HALO, SILENCE, log_mel, network_input, network_layers
from .motion import BLUR
from .types import Audio, MouthMotion
from .visemes import FRAMES_PER_SECOND, PHONE_SHAPES, VISEME_OF, VISEMES

AHEAD = 3  # steps of 20 ms that are heard before one is judged
REACH = 3  # rows of 10 ms on either side that are blurred together
DELAY = (2 * AHEAD + 2 + REACH) / FRAMES_PER_SECOND + 0.0125
"""Seconds of voice after a moment that are heard before its frame is certain."""
EXPECTED = SILENCE + 4.0  # log10 of power of speech that is yet to come: 30 dB below full scale
FALL = 0.2 / FRAMES_PER_SECOND  # log10 of power a row, by which the level of speech is forgotten: 2 dB a second
LIFT = 1.25
"""How much further than heard a mouth opens; a file's is found by listening to the whole."""


def live_motion(blocks: Iterable[Audio], frame_rate: Fraction) -> Iterator[MouthMotion]:
    """The frames that each block of a voice makes certain, and at the end the rest; often none, never one twice.

    How the voice is cut into blocks changes when frames come, not what they are.

    Raises:
        ValueError: the frame rate is not above 0.
    """
    frame_rate = Fraction(frame_rate)
    if frame_rate <= 0:
        raise ValueError(f"frame_rate must be above 0, got {frame_rate}.")
    shown = 0
    kernel = np.exp(-0.5 * (np.arange(-REACH, REACH + 1) / BLUR) ** 2)
    kernel /= kernel.sum()
    heard = np.zeros((REACH, 5))  # opening, pucker, wide, closure, silence per row, from row `first` on
    heard[:, 4] = 1
    first, rows = -REACH, 0
    for values in _followed_by_rest(_judged(blocks)):
        heard = np.concatenate([heard, values])
        rows += len(values)
        certain = rows - REACH  # rows from 0 on whose neighbours are all known
        until = int((Fraction(max(0, certain) - 1) + Fraction(1, 2)) / FRAMES_PER_SECOND * frame_rate) + 1
        if certain < 2 or until <= shown:
            continue
        smooth = np.stack([np.convolve(column, kernel, "valid") for column in heard.T], axis=1)
        frames = np.arange(shown, until)
        at = frames * float(FRAMES_PER_SECOND / frame_rate) - 0.5
        source = np.arange(first + REACH, first + REACH + len(smooth))
        yield _frames(np.stack([np.interp(at, source, column) for column in smooth.T], axis=1), frame_rate)
        shown = until
        keep = max(0, int(at[-1]) - 1 - REACH - first)
        heard, first = heard[keep:], first + keep


def _frames(heard: np.ndarray, frame_rate: Fraction) -> MouthMotion:
    opening, pucker, wide, closure, silence = heard.T
    speaking = 1 - np.clip((silence - 0.6) / 0.3, 0, 1)
    jaw = WIDEST * np.clip(LIFT * opening, 0, 1) * speaking
    return MouthMotion.from_channels(
        frame_rate,
        len(heard),
        jaw_open=jaw,
        mouth_wide=np.clip(wide, 0, 1) * speaking,
        mouth_pucker=np.clip(pucker, 0, 1) * speaking,
        mouth_close=np.clip((closure - 0.2) / 0.4, 0, 1),
        tongue_out=0.15 * jaw**2,
    )


def _followed_by_rest(rows: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield from rows
    yield np.tile([0.0, 0, 0, 0, 1], (REACH + 1, 1))


def _judged(blocks: Iterable[Audio]) -> Iterator[np.ndarray]:
    """(n, 5) opening, pucker, wide, and the probabilities of closure and silence, row by row as they become certain."""
    level = EXPECTED
    pending = np.zeros((0, BANDS), np.float32)
    steps: list[np.ndarray] = []  # the last that are still needed
    judged = 0  # of those

    def judge(last: bool) -> Iterator[np.ndarray]:
        nonlocal judged, steps
        while judged < len(steps) - (0 if last else AHEAD):
            start = max(0, judged - HALO)
            outputs = network_layers(np.stack(steps[start : judged + AHEAD + 1]))[judged - start]
            logits = outputs.reshape(2, -1)
            phones = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
            closure = phones[:, VISEME_OF == VISEMES.index("PP")].sum(axis=1)
            yield np.column_stack([phones @ PHONE_SHAPES, closure, phones[:, 0]])
            judged += 1
            if judged > 4 * HALO:
                steps, judged = steps[judged - HALO :], HALO

    for features in log_mel(blocks):
        levels = []
        for power in np.log10((10.0**features).sum(axis=1)).tolist():
            level = max(level - FALL, level + 0.3 * (power - level), SILENCE)
            levels.append(level)
        features = np.maximum(features - np.array(levels, np.float32)[:, None], FLOOR)
        pending = np.concatenate([pending, features])
        whole = len(pending) // 2
        steps += list(network_input(pending[: 2 * whole]))
        pending = pending[2 * whole :]
        yield from judge(last=False)
    if len(pending):
        steps += list(network_input(np.repeat(pending, 2, axis=0)))
    yield from judge(last=True)
