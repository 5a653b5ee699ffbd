"""Mouth movement from the sound of a voice alone, or from keyframes.

Speech is heard at 100 Hz as loudness in four bands: open vowels ring around 1 kHz, closed ones and nasals below
500 Hz, spread lips above 1.5 kHz, hiss above 3.5 kHz. Levels are measured against the recording's own, so neither gain
nor background noise matters. Knows nothing of words, faces or pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from .audio import resample_blocks, to_mono
from .types import CHANNELS, HEAD_LIMIT, Audio, FormatError, MouthMotion, _field, _frame_rate, _load_document, _number
from .video import time_to_frame

SAMPLE_RATE = 16_000  # Hz, of the analysis
HOP = 160  # samples, 10 ms
WINDOW = 400  # samples, 25 ms
FRAMES_PER_SECOND = SAMPLE_RATE // HOP  # 100
LONGEST = 24 * 3600.0  # seconds, of a motion made of keyframes
BAND_EDGES = (80, 500, 1500, 3500, 7800)  # Hz


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
    """(n, 4) power per band; row t is centred on t / FRAMES_PER_SECOND."""
    window = np.hanning(WINDOW).astype(np.float32)
    bins = np.fft.rfftfreq(512, 1 / SAMPLE_RATE)
    first = np.searchsorted(bins, BAND_EDGES)
    pending = np.zeros(WINDOW // 2, np.float32)
    tail = Audio(np.zeros((1, WINDOW // 2), np.float32), SAMPLE_RATE)
    for block in _followed_by(resample_blocks((to_mono(block) for block in blocks), SAMPLE_RATE), tail):
        pending = np.concatenate([pending, block.waveform[0]])
        count = (len(pending) - WINDOW) // HOP + 1
        for start in range(0, count, 4096):
            rows = np.arange(start, min(count, start + 4096))[:, None] * HOP + np.arange(WINDOW)
            power = np.abs(np.fft.rfft(pending[rows] * window, 512)) ** 2
            yield np.add.reduceat(power[:, : first[-1]], first[:-1], axis=1)
        pending = pending[max(0, count) * HOP :]


def _followed_by(blocks: Iterable[Audio], last: Audio) -> Iterator[Audio]:
    yield from blocks
    yield last


def _articulate(power: np.ndarray) -> dict[str, np.ndarray]:
    """Band powers at 100 Hz -> channels at 100 Hz."""
    level = 10 * np.log10(power.sum(axis=1) + 1e-12)
    top = np.percentile(level, 99.5)
    speech = np.percentile(level[level >= top - 25], 75)
    if speech < -70:
        return {"jaw_open": np.zeros(len(power))}
    floor = np.clip(np.percentile(level, 5), speech - 50, speech - 15)
    noise = np.percentile(power[level <= floor + 3], 50, axis=0) if (level <= floor + 3).any() else np.zeros(4)
    power = np.maximum(power - 1.5 * noise, 0) / 10 ** (speech / 10)

    low, mid, high, hiss = _smooth(power, 2).T ** 0.25
    loudness = 10 * np.log10(power.sum(axis=1) + 1e-9)
    voiced = _ease(_smooth(np.clip((loudness + 30) / 10, 0, 1), 2), attack=2, release=6)

    opening = voiced * np.maximum(0.1 + 1.0 * mid + 0.2 * high - 0.3 * low - 0.2 * hiss, 0)
    talking = opening[voiced > 0.5]
    opening = opening / max(np.percentile(talking, 95), 0.2) * 0.9 if len(talking) else opening
    jaw = _ease(np.clip(opening, 0, 1), attack=1.5, release=4)
    jaw[voiced < 0.15] = 0

    tilt = np.log10((high + hiss + 0.05) / (low + mid + 0.05))
    tilt = (tilt - np.median(tilt[voiced > 0.5])) if len(talking) else tilt
    wide = _smooth(voiced * np.clip(tilt * 2, 0, 1), 3)
    pucker = _smooth(voiced * np.clip(-tilt * 2, 0, 1), 3)
    shut = _smooth(np.clip(1 - opening / 0.12, 0, 1) * (_smooth(voiced, 8) > 0.35), 1.5)
    return {
        "jaw_open": jaw,
        "mouth_wide": wide,
        "mouth_pucker": pucker,
        "mouth_close": np.clip(shut, 0, 1),
        "tongue_out": 0.15 * jaw**2,
    }


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur along time, sigma in hops."""
    radius = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(values, [(radius, radius)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    return sum(weight * padded[i : i + len(values)] for i, weight in enumerate(kernel))


def _ease(values: np.ndarray, *, attack: float, release: float) -> np.ndarray:
    """Follow upwards with time constant `attack` and downwards with `release`, in hops."""
    up, down = 1 - np.exp(-1 / attack), 1 - np.exp(-1 / release)
    eased, state = np.empty(len(values)), 0.0
    for index, value in enumerate(values.tolist()):
        state += (value - state) * (up if value > state else down)
        eased[index] = state
    return eased


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
    interpolation, holds its first value before them and its last one after; a channel that is never named rests at 0.
    The motion ends with the last keyframe.

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
    """Monotone cubic through (times, values) at `at`, held beyond the ends (Fritsch and Butland 1984, as in SciPy)."""
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
