"""What Whisper hears around each frame of a video: the drive of the inpaint engine.

Windows are exact at every frame rate. Knows nothing of pixels or of the network that draws (`musetalk.py`).
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from hashlib import blake2b
from math import ceil
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from .audio import join_blocks, resample_blocks, to_mono
from .hearing import hear
from .keeping import Keeper
from .lora import network_hash
from .tensors import write_tensors
from .types import Audio
from .visemes import FRAMES_PER_SECOND
from .whisper import BLOCK, HOP, SAMPLE_RATE, STATES_PER_SECOND, WhisperEncoder, log_mel, log_mel_of_all

VERSION = 1
"""To be raised when something else is heard in the same sound with the same weights."""
STEPS = 10
"""States in a window: 80 ms before its frame to 120 ms after."""
BEFORE = 4
OVERLAP = 2 * STATES_PER_SECOND
"""States that two blocks of 30 s share; one is faded into the other."""
LEAD = 0.12
"""Seconds by which lips move before a sound and after it."""
FADE = 0.08
"""Seconds in which the source's own mouth gives way to the painted one."""

Layout = Literal["hf_post_ln", "openai_pre_ln"]
"""How the network was taught to hear. `hf_post_ln`, MuseTalk 1.5: the last state has passed the final LayerNorm, every
30 s are heard by themselves with silence after the last, and beyond the ends of the voice is nothing. `openai_pre_ln`,
1.0: it has not, the spectrogram is of the whole voice with zeros after the last 30 s, its first and last state go on.
"""


class StoredStates:
    """`SpeechFeatures.states` in a file, of which only what is asked for is read: 10 minutes take 115 MB."""

    def __init__(self, path: Path):
        self._file = open(path, "rb")  # held, so that the states stay when the file is thrown away
        weakref.finalize(self, self._file.close)
        size = int.from_bytes(self._file.read(8), "little")
        told = json.loads(self._file.read(size))["states"]
        self.shape = tuple(told["shape"])
        self._start = 8 + size + told["data_offsets"][0]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: np.ndarray) -> np.ndarray:
        low, high = (int(at.min()), int(at.max()) + 1) if at.size else (0, 0)
        row = int(np.prod(self.shape[1:]))
        self._file.seek(self._start + 2 * row * low)
        return np.fromfile(self._file, np.float16, row * (high - low)).reshape(-1, *self.shape[1:])[at - low]


@dataclass(frozen=True, eq=False)
class SpeechFeatures:
    """A voice as Whisper hears it, 50 times a second."""

    states: np.ndarray | StoredStates
    """(L, 5, 384) float16: what enters the encoder's first layer and what leaves each of its four."""
    speaking: np.ndarray
    """(L,) float32 in [0, 1]; 0 where nobody speaks."""
    duration: Fraction
    """Seconds."""
    layout: Layout = "hf_post_ln"
    like_upstream: bool = False
    """Place windows as MuseTalk's own code does; that of 1.5 drifts at rates that are not whole numbers."""

    @property
    def frame_rate(self) -> Fraction:
        return Fraction(STATES_PER_SECOND)

    def __len__(self) -> int:
        return len(self.states)

    def resampled(self, frame_rate: Fraction, length: int | None = None) -> SpeechFrames:
        """What each frame of a video is drawn from; `length` frames, or as many as the voice lasts."""
        frame_rate = Fraction(frame_rate)
        if self.like_upstream:
            first = self._upstream_windows(frame_rate, length)
            return SpeechFrames(self, first, np.ones(len(first), np.float32), frame_rate)
        length = int(self.duration * frame_rate) if length is None else length
        at = np.arange(length) * float(STATES_PER_SECOND / frame_rate)
        speaking = np.interp(at, np.arange(len(self) + 1), np.append(self.speaking, 0))
        return SpeechFrames(self, _first_states(length, frame_rate), speaking.astype(np.float32), frame_rate)

    def _upstream_windows(self, frame_rate: Fraction, length: int | None) -> np.ndarray:
        if self.layout == "openai_pre_ln":  # until a window's middle lies beyond the voice, and once more
            last = ceil((len(self) + 1) * frame_rate / STATES_PER_SECOND)
            return _first_states(last + 1 if length is None else length, frame_rate)
        whole = int(frame_rate)
        steps = STATES_PER_SECOND / whole
        frames = np.arange(int(self.duration * whole) if length is None else length)
        return np.floor(frames * steps).astype(int) - 2 * ceil(steps)


def _first_states(length: int, frame_rate: Fraction) -> np.ndarray:
    """(length,) the first state of each frame's window, exact at any rate."""
    steps = STATES_PER_SECOND / frame_rate
    return np.arange(length) * steps.numerator // steps.denominator - BEFORE


@dataclass(frozen=True, eq=False)
class SpeechFrames:
    """A voice at the frames of a video."""

    features: SpeechFeatures
    first: np.ndarray
    """(T,) the first state of each frame's window; may lie outside the voice."""
    speaking: np.ndarray
    """(T,) float32 in [0, 1]: how much of the painted mouth is shown."""
    frame_rate: Fraction

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, frames: slice | np.ndarray) -> SpeechFrames:
        return replace(self, first=self.first[frames], speaking=self.speaking[frames])

    def resampled(self, frame_rate: Fraction, length: int) -> SpeechFrames:
        return self.features.resampled(frame_rate, length)

    def eased(self, share: np.ndarray) -> SpeechFrames:
        """The same voice, of whose mouth only `share` (T,) of [0, 1] is shown."""
        return replace(self, speaking=(self.speaking * share).astype(np.float32))

    def tokens(self) -> Tensor:
        """(T, 50, 384) float32: of each of the ten states of a window its five parts, in the order of time."""
        states = self.features.states
        at = self.first[:, None] + np.arange(STEPS)
        last = len(states) - 1
        tokens = states[at.clip(0, max(last, 0))] if len(states) else np.zeros((*at.shape, *states.shape[1:]))
        if self.features.layout == "hf_post_ln":
            tokens = tokens * ((at >= 0) & (at <= last))[..., None, None]
        return torch.from_numpy(tokens.astype(np.float32)).flatten(1, 2)


def speech_features(
    voice: Audio | Iterable[Audio],
    encoder: WhisperEncoder,
    *,
    layout: Layout = "hf_post_ln",
    like_upstream: bool = False,
    keeper: Keeper | None = None,
) -> SpeechFeatures:
    """Listen to a voice, whole or in blocks (`read_audio`).

    Args:
        encoder: on the device that it is to run on.
        like_upstream: cut the voice every 30 s as MuseTalk's own code does, for comparison with it.
        keeper: of files of features, in which those of voices heard before are; they are then read as they are needed.
            Without it memory grows by 0.2 MB a second of the voice.
    """
    blocks = [voice] if isinstance(voice, Audio) else voice
    sound = join_blocks(resample_blocks(map(to_mono, blocks), SAMPLE_RATE))
    if keeper is None:
        return _listen(sound, encoder, layout, like_upstream)
    settings = (VERSION, network_hash(encoder), layout, like_upstream)
    key = blake2b(sound.waveform.tobytes() + repr(settings).encode(), digest_size=20).hexdigest()
    read = partial(_read, layout=layout, like_upstream=like_upstream)
    if known := keeper.get(key, read):
        return known
    heard = _listen(sound, encoder, layout, like_upstream)
    keeper.put(key, partial(_write, features=heard))
    return keeper.get(key, read) or heard


def _write(path: Path, features: SpeechFeatures) -> None:
    tensors = {"states": torch.from_numpy(features.states), "speaking": torch.from_numpy(features.speaking)}
    write_tensors(path, tensors, {"duration": str(features.duration)})


def _read(path: Path, layout: Layout, like_upstream: bool) -> SpeechFeatures:
    with safe_open(path, "np") as file:
        duration, speaking = Fraction(file.metadata()["duration"]), file.get_tensor("speaking")
    return SpeechFeatures(StoredStates(path), speaking, duration, layout, like_upstream)


def _listen(sound: Audio, encoder: WhisperEncoder, layout: Layout, like_upstream: bool) -> SpeechFeatures:
    waveform = torch.from_numpy(sound.waveform[0])
    parts = list(_states(waveform, encoder, layout, 0 if like_upstream else OVERLAP))
    states = np.concatenate(parts) if parts else np.zeros((0, 5, 384), np.float16)
    silence = np.exp(hear(sound).phones[:, 0])
    duration = Fraction(len(waveform), SAMPLE_RATE)
    return SpeechFeatures(states, _speaking(silence, len(states)), duration, layout, like_upstream)


@torch.no_grad()
def _states(waveform: Tensor, encoder: WhisperEncoder, layout: Layout, overlap: int) -> Iterator[np.ndarray]:
    device = encoder.conv1.weight.device
    samples = SAMPLE_RATE // STATES_PER_SECOND
    stride = BLOCK - overlap * samples
    weight = (np.arange(overlap, dtype=np.float32)[:, None, None] + 0.5) / max(overlap, 1)
    ending = None  # what the block before heard of the first moments of this one
    whole = log_mel_of_all(waveform.to(device)) if layout == "openai_pre_ln" and len(waveform) else None
    for start in range(0, max(1, len(waveform) - overlap * samples), stride):
        block = waveform[start : start + BLOCK]
        if whole is None:
            bands = log_mel(block.to(device))
        else:
            bands = whole[:, start // HOP : (start + BLOCK) // HOP]
            bands = F.pad(bands, (0, BLOCK // HOP - bands.shape[1]))
        bands = bands[None].to(encoder.conv1.weight.dtype)
        states = encoder(bands, normalize_last=layout == "hf_post_ln")[0].float().cpu().numpy()
        states = states[: len(block) // samples]
        if ending is not None:
            states[:overlap] = ending + (states[:overlap] - ending) * weight
        is_last = start + BLOCK >= len(waveform)
        ending = states[stride // samples :]
        yield (states if is_last else states[: stride // samples]).astype(np.float16)
        if is_last:
            return


def _speaking(silence: np.ndarray, length: int) -> np.ndarray:
    """(length,) at 50 a second of the probability of silence at 100 a second."""
    voiced = 1 - np.clip((silence - 0.6) / 0.3, 0, 1)
    reach, fade = (round(seconds * FRAMES_PER_SECOND) for seconds in (LEAD + FADE / 2, FADE))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(voiced, reach), 2 * reach + 1)
    smooth = np.convolve(windows.max(axis=1), np.full(fade + 1, 1 / (fade + 1)), "same")
    return np.interp(2 * np.arange(length) + 0.5, np.arange(len(smooth)), smooth).astype(np.float32)
