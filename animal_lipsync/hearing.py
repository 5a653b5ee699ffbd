"""What the ear of the pack hears: speech sounds, 100 times a second, in any language.

A small convolutional network (recipe: dev/visemes, model card: weights/visemes.md) reads log-mel bands. Needs NumPy
alone. Knows nothing of cues, faces or pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from .audio import resample_blocks, to_mono
from .types import Audio
from .visemes import FRAMES_PER_SECOND, PHONES

WEIGHTS = Path(__file__).parent / "weights" / "visemes.safetensors"
SAMPLE_RATE = 16_000  # Hz, of the analysis
HOP = SAMPLE_RATE // FRAMES_PER_SECOND  # samples
WINDOW = 400  # samples, 25 ms
BANDS = 40
FLOOR = -7.0  # log10 of power relative to the loudest speech
SILENCE = -2.4  # log10 of power; a recording whose loudest speech is below it (-70 dB of full scale) has none
QUIETER = 2.0  # log10 of power; a stretch this far below the loudest is not made louder before it is heard
DILATIONS = (1, 2, 4, 8, 1, 2, 4, 8)
STRETCH = 4096  # rows that go through the network at once, an even number
HALO = 1 + sum(DILATIONS)  # steps at either side that a step depends on


@dataclass(frozen=True, eq=False)
class Heard:
    """What is heard in a recording; T = round(100 * duration) rows."""

    phones: np.ndarray
    """(T, 31) float32 log-probability of each of `visemes.PHONES`."""
    loudness: np.ndarray
    """(T,) float32, log10 of power over that of the loudest speech nearby."""
    duration: Fraction
    """Seconds."""


def hear(audio: Audio | Iterable[Audio]) -> Heard:
    """Listen to a voice, whole or in blocks (`read_audio`); memory grows by 50 kB a second of it."""
    counter = _Counter([audio] if isinstance(audio, Audio) else audio)
    # half precision keeps 0.04 dB and an hour under 300 MB
    features = np.concatenate([np.zeros((0, BANDS), np.float16), *(f.astype(np.float16) for f in log_mel(counter))])
    length = round(counter.duration * FRAMES_PER_SECOND)
    features = np.pad(features, ((0, max(0, length - len(features))), (0, 0)), mode="edge")[:length]
    power = np.empty(length, np.float32)
    for rows in _stretches(length):
        power[rows] = np.log10((10.0 ** features[rows].astype(np.float32)).sum(axis=1))
    phones = np.full((length, len(PHONES)), -20, np.float32)
    if not length or np.percentile(power, 95) < SILENCE:
        phones[:, 0] = 0
        return Heard(phones, np.full(length, FLOOR, np.float32), counter.duration)
    level = _speech_level(power)
    for rows in _stretches(length):
        start = max(0, rows.start - 2 * HALO)
        around = slice(start, rows.stop + 2 * HALO)
        heard = features[around].astype(np.float32) - level[around, None]
        logits = _network(np.maximum(heard, FLOOR))[rows.start - start :][: rows.stop - rows.start]
        phones[rows] = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return Heard(phones, power - level, counter.duration)


def _stretches(length: int) -> Iterator[slice]:
    """Rows that are worked on at once."""
    return (slice(start, min(length, start + STRETCH)) for start in range(0, length, STRETCH))


class _Counter:
    """Blocks passing by, and how many seconds have."""

    def __init__(self, blocks: Iterable[Audio]):
        self.blocks, self.duration = blocks, Fraction(0)

    def __iter__(self) -> Iterator[Audio]:
        for block in self.blocks:
            self.duration += Fraction(block.waveform.shape[1], block.sample_rate)
            yield block


def _speech_level(power: np.ndarray) -> np.ndarray:
    """(T,) level of the speech around each moment: the 95th percentile of 10 s, not far below that of the whole."""
    span = 5 * FRAMES_PER_SECOND
    centres = np.arange(0, len(power) + span, span)
    levels = [np.percentile(power[max(0, at - span) : at + span], 95) for at in np.minimum(centres, len(power) - 1)]
    levels = np.maximum(levels, np.percentile(power, 95) - QUIETER)
    return np.interp(np.arange(len(power)), centres, levels).astype(np.float32)


@cache
def _weights() -> dict[str, np.ndarray]:
    return {name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()}


def _network(features: np.ndarray) -> np.ndarray:
    """(T, 40) features -> (T, 31) logits; two rows at a time are one step."""
    steps = (len(features) + 1) // 2
    y = network_layers(network_input(np.pad(features, ((0, 2 * steps - len(features)), (0, 0)), mode="edge")))
    return y.reshape(-1, y.shape[1] // 2)[: len(features)]


def network_input(features: np.ndarray) -> np.ndarray:
    """(2 S, 40) features -> (S, 80) steps as the network was trained on."""
    return ((features + 4) / 1.5).astype(np.float32).reshape(-1, 2 * BANDS)


def network_layers(x: np.ndarray) -> np.ndarray:
    """(S, 80) steps -> (S, 62) logits of the two rows of each; beyond the ends lies silence."""
    weights = _weights()
    x = np.maximum(_convolve(x, weights["first.weight"], weights["first.bias"], 1), 0)
    for index, dilation in enumerate(DILATIONS):
        y = _convolve(x, weights[f"layer{index}.weight"], weights[f"layer{index}.bias"], dilation)
        x = x + np.maximum(y, 0)
    return x @ weights["last.weight"] + weights["last.bias"]


def _convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, dilation: int) -> np.ndarray:
    """(T, in) with (3, in, out) -> (T, out); silence lies beyond the ends."""
    y = x @ weight[1] + bias
    y[dilation:] += x[:-dilation] @ weight[0]
    y[:-dilation] += x[dilation:] @ weight[2]
    return y


def log_mel(blocks: Iterable[Audio]) -> Iterator[np.ndarray]:
    """(n, 40) log10 power per mel band, of a voice that arrives in blocks."""
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    filters = _mel_filters().T
    pending = np.zeros((WINDOW - HOP) // 2, np.float32)
    tail = Audio(np.zeros((1, WINDOW // 2), np.float32), SAMPLE_RATE)
    for block in _followed_by(resample_blocks((to_mono(block) for block in blocks), SAMPLE_RATE), tail):
        pending = np.concatenate([pending, block.waveform[0]])
        count = max(0, (len(pending) - WINDOW) // HOP + 1)
        for start in range(0, count, 4096):
            rows = np.arange(start, min(count, start + 4096))[:, None] * HOP + np.arange(WINDOW)
            frames = pending[rows]
            frames -= frames.mean(axis=1, keepdims=True)  # a microphone's offset is no sound
            power = np.abs(np.fft.rfft(frames * window, 512)) ** 2
            yield np.log10(power @ filters + 1e-12).astype(np.float32)
        pending = pending[count * HOP :]


def _followed_by(blocks: Iterable[Audio], last: Audio) -> Iterator[Audio]:
    yield from blocks
    yield last


def _mel_filters() -> np.ndarray:
    """(40, 257) triangles, evenly spaced in mel from 60 to 7600 Hz."""
    mel = np.linspace(*(2595 * np.log10(1 + np.array([60, 7600]) / 700)), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    at = np.fft.rfftfreq(512, 1 / SAMPLE_RATE)
    rise = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(rise, fall), 0, None).astype(np.float32)
