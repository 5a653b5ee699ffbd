"""Mouth movement from the sound of a voice alone, or from keyframes.

A voice is heard 100 times a second as the loudness of five bands: open vowels ring around 1 kHz, closed vowels and
nasals below, spread lips above, hiss highest. Loudness is measured against the recording's own speech and background,
so neither its gain nor its noise matters. Knows nothing of words, faces or pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .audio import resample_blocks, to_mono
from .types import CHANNELS, HEAD_LIMIT, Audio, FormatError, MouthMotion, _field, _frame_rate, _load_document, _number
from .video import time_to_frame

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16_000  # Hz, of the analysis
HOP = 160  # samples, 10 ms
WINDOW = 400  # samples, 25 ms
FRAMES_PER_SECOND = SAMPLE_RATE // HOP  # 100
BAND_EDGES = (80, 400, 800, 1500, 3500, 7800)  # Hz
OPENING = np.array([0.13, 0.0, 0.43, 0.2, 0.13])
"""Weight of each band's loudness in how far a mouth is open: least squares against the phone labels of 32 LJSpeech
sentences, where it correlates .70 with the labelled opening and plain loudness .55."""
SPREAD = np.array([0.0, -0.5, -0.5, 0.6, 0.4])
"""Weight of each band's log loudness in how far the lips are spread (above 0) or rounded (below): parts i, e from
u, o, w with an area under the curve of .88 on the same sentences."""
SILENCE = -70  # dB of full scale; a recording whose speech is below it has none
GATE = -30  # dB under the level of speech, where the mouth starts to move
LEAD = 1  # hops by which the mouth moves before it is heard
LONGEST = 24 * 3600.0  # seconds, of a motion made of keyframes


def speech_to_motion(audio: Audio | Iterable[Audio], frame_rate: Fraction) -> MouthMotion:
    """How a mouth moves that says what is heard: round(duration * frame_rate) frames, at least one.

    Sets `jaw_open`, `mouth_wide`, `mouth_pucker`, `mouth_close` and `tongue_out`; where nobody speaks all are 0.

    Args:
        audio: the voice, whole or in blocks (`read_audio`); memory does not grow with its length.
    """
    frame_rate = Fraction(frame_rate)
    if frame_rate <= 0:
        raise ValueError(f"frame_rate must be above 0, got {frame_rate}.")
    counter = _Counter([audio] if isinstance(audio, Audio) else audio)
    bands = np.concatenate(list(_band_levels(counter)), axis=0)
    length = max(1, round(counter.duration * frame_rate))
    channels = _articulate(bands)
    at = np.arange(length) * float(FRAMES_PER_SECOND / frame_rate)
    return MouthMotion.from_channels(
        frame_rate, length, **{name: np.interp(at, np.arange(len(bands)), values) for name, values in channels.items()}
    )


class _Counter:
    """Blocks passing by, and how many seconds have."""

    def __init__(self, blocks: Iterable[Audio]):
        self.blocks, self.duration = blocks, Fraction(0)

    def __iter__(self) -> Iterator[Audio]:
        for block in self.blocks:
            self.duration += Fraction(block.waveform.shape[1], block.sample_rate)
            yield block


def _band_levels(blocks: Iterable[Audio]) -> Iterator[np.ndarray]:
    """(n, 5) mean square per band; row t is centred on t / FRAMES_PER_SECOND."""
    window = np.hanning(WINDOW).astype(np.float32)
    scale = 2 / (512 * np.sum(window**2))  # makes the sum over all bands the mean square of the samples
    bins = np.fft.rfftfreq(512, 1 / SAMPLE_RATE)
    first = np.searchsorted(bins, BAND_EDGES)
    pending = np.zeros(WINDOW // 2, np.float32)
    tail = Audio(np.zeros((1, WINDOW // 2), np.float32), SAMPLE_RATE)
    for block in _followed_by(resample_blocks((to_mono(block) for block in blocks), SAMPLE_RATE), tail):
        pending = np.concatenate([pending, block.waveform[0]])
        count = (len(pending) - WINDOW) // HOP + 1
        for start in range(0, count, 4096):
            rows = np.arange(start, min(count, start + 4096))[:, None] * HOP + np.arange(WINDOW)
            power = np.abs(np.fft.rfft(pending[rows] * window, 512)) ** 2 * scale
            yield np.add.reduceat(power[:, : first[-1]], first[:-1], axis=1)
        pending = pending[max(0, count) * HOP :]


def _followed_by(blocks: Iterable[Audio], last: Audio) -> Iterator[Audio]:
    yield from blocks
    yield last


def _articulate(power: np.ndarray) -> dict[str, np.ndarray]:
    """(T, 5) band powers -> channels, both at FRAMES_PER_SECOND."""
    level = 10 * np.log10(power.sum(axis=1) + 1e-12)
    speech = np.percentile(level[level >= np.percentile(level, 99.5) - 25], 75)
    if speech < SILENCE:
        logger.warning("The voice is silent; the mouth stays shut.")
        return {}
    background = np.clip(np.percentile(level, 5) + 3, speech - 50, speech - 12)
    noise = np.median(power[level <= background], axis=0) if (level <= background).any() else 0
    power = _smooth(np.maximum(power - 1.5 * noise, 0) / 10 ** (speech / 10), 1)

    talking = np.clip((10 * np.log10(power.sum(axis=1) + 1e-9) - GATE) / 8, 0, 1)
    talking = _follow(talking, attack=1, release=4)
    said = talking > 0.5

    volume = power**0.25
    opening = volume @ OPENING
    opening *= 0.9 / np.percentile(opening[said], 95)
    # consonants: a dip of 10 dB or more under the vowels within 120 ms closes the mouth, of 20 dB shuts it
    vowel = 10 * np.log10(power[:, 2:4].sum(axis=1) + 1e-6)
    nearby = sliding_window_view(np.pad(vowel, 12, mode="edge"), 25).max(axis=1)
    dip = np.clip((nearby - vowel - 10) / 10, 0, 1)
    jaw = _follow(np.clip(opening * (1 - dip) * np.clip(1.5 * talking, 0, 1), 0, 1), attack=1, release=2)
    jaw[talking < 0.1] = 0

    spread = np.log(_smooth(volume, 2) + 0.03) @ SPREAD
    spread = _smooth(talking * (spread - np.median(spread[said])), 2)
    channels = {
        "jaw_open": jaw,
        "mouth_wide": np.clip(0.7 * spread, 0, 1),
        "mouth_pucker": np.clip(-0.7 * spread, 0, 1),
        "mouth_close": _smooth(0.6 * talking * dip * (volume[:, 4] < 0.5), 1),  # hiss needs a gap between the lips
        "tongue_out": 0.15 * jaw**2,
    }
    return {name: np.append(values[LEAD:], np.zeros(LEAD)) for name, values in channels.items()}


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur along time, sigma in hops."""
    radius = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, [(radius, radius)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    return sum(weight * padded[i : i + len(values)] for i, weight in enumerate(kernel))


def _follow(values: np.ndarray, *, attack: float, release: float) -> np.ndarray:
    """Follow upwards with time constant `attack` and downwards with `release`, in hops."""
    up, down = 1 - np.exp(-1 / attack), 1 - np.exp(-1 / release)
    followed, state = np.empty(len(values)), 0.0
    for index, value in enumerate(values.tolist()):
        state += (value - state) * (up if value > state else down)
        followed[index] = state
    return followed


def nod(motion: MouthMotion, degrees: float) -> MouthMotion:
    """The motion with a nod of up to `degrees` added to `head_pitch` (positive: nose down) on stressed syllables."""
    jaw = motion.channel("jaw_open").astype(float)
    hops = float(motion.frame_rate) / FRAMES_PER_SECOND
    stress = np.clip(_smooth(jaw, 8 * hops) - _smooth(jaw, 40 * hops), 0, None)
    stress = _smooth(stress / max(stress.max(initial=0), 0.05), 6 * hops)
    values = motion.values.copy()
    values[:, motion.channels.index("head_pitch")] += degrees * stress
    return MouthMotion(values, motion.frame_rate, motion.channels, motion.visemes)


def keyframes_to_motion(text: str) -> MouthMotion:
    """Motion through the keyframes of a JSON document, smooth and without overshoot.

    ```json
    {"version": 1, "frame_rate": "25", "keyframes": [{"time": 0.0, "jaw_open": 0.2}, {"time": 0.5, "jaw_open": 0.9}]}
    ```
    Times are seconds and increase. Each channel runs through the keyframes that name it by monotone cubic (PCHIP)
    interpolation that sets off and arrives gently, and holds its first value before them and its last one after; a
    channel that is never named rests at 0. The motion ends with the last keyframe.

    Raises:
        FormatError: naming the field that is wrong.
    """
    document = _load_document(text, "keyframes")
    rate = _frame_rate(document.get("frame_rate"))
    points: dict[str, list[tuple[float, float]]] = {}
    last = None
    for index, keyframe in enumerate(_field(document, "keyframes", list, "keyframes")):
        where = f"keyframes[{index}]"
        if not isinstance(keyframe, dict):
            raise FormatError(f"{where} must be an object, got {type(keyframe).__name__}.")
        time = _number(keyframe.get("time"), f"{where}.time")
        if not 0 <= time <= LONGEST:
            raise FormatError(f"{where}.time must lie between 0 and {LONGEST:g} seconds, got {time:g}.")
        if last is not None and time <= last:
            raise FormatError(
                f"{where}.time must be later than {last:g}, that of the keyframe before it, got {time:g}."
            )
        last = time
        for name in keyframe.keys() - {"time"}:
            if name not in CHANNELS:
                raise FormatError(f"{where} names {name!r}; the channels are {', '.join(CHANNELS)}.")
            value = _number(keyframe[name], f"{where}.{name}")
            low, high = (-HEAD_LIMIT, HEAD_LIMIT) if name.startswith("head_") else (0.0, 1.0)
            if not low <= value <= high:
                raise FormatError(f"{where}.{name} must lie between {low:g} and {high:g}, got {value:g}.")
            points.setdefault(name, []).append((time, value))
    if last is None:
        raise FormatError("keyframes.keyframes must list at least one keyframe.")
    length = time_to_frame(last, rate) + 1
    at = np.arange(length) / float(rate)
    return MouthMotion.from_channels(
        rate, length, **{name: _pchip(*zip(*p, strict=True), at) for name, p in points.items()}
    )


def _pchip(times: tuple[float, ...], values: tuple[float, ...], at: np.ndarray) -> np.ndarray:
    """Monotone cubic through (times, values) at `at`, held beyond the ends (Fritsch, Butland 1984), level at both."""
    x, y = np.array(times), np.array(values)
    if len(x) == 1:
        return np.full(len(at), y[0])
    step = np.diff(x)
    slope = np.diff(y) / step
    tangent = np.zeros(len(x))
    before, after = slope[:-1], slope[1:]
    near, far = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    same = before * after > 0  # at a turning point the curve is level, which is what keeps it from overshooting
    tangent[1:-1][same] = ((near + far)[same]) / (near[same] / before[same] + far[same] / after[same])
    at = np.clip(at, x[0], x[-1])
    piece = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(step) - 1)
    h = step[piece]
    u = (at - x[piece]) / h
    return (
        (1 + 2 * u) * (1 - u) ** 2 * y[piece]
        + u * (1 - u) ** 2 * h * tangent[piece]
        + u**2 * (3 - 2 * u) * y[piece + 1]
        + u**2 * (u - 1) * h * tangent[piece + 1]
    )
