"""Sound in: any file PyAV decodes, in blocks so that hours fit in memory; resampling and mixing down.

Knows nothing of mouths (`motion.py`) and nothing of writing, which `video_writer.py` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from .media import open_media
from .memory import is_out_of_memory
from .types import Audio

MOST_CHANNELS = 64
"""That FFmpeg converts."""


@dataclass(frozen=True)
class AudioInfo:
    """What `read_audio` will deliver, told without decoding."""

    sample_rate: int
    """Hz."""
    channels: int
    """1 or 2; a file of more channels is mixed down to stereo."""
    duration: float
    """Seconds, to within a packet (some hundredths)."""


def probe_audio(path: str | os.PathLike) -> AudioInfo:
    """Sample rate, channels and length of the first audio stream of a sound or video file.

    The length is counted from the packets: headers of MP3 and of cut files only estimate it.

    Raises:
        ValueError: the file is missing, empty or damaged, or has no sound.
    """
    with _opened(path) as (container, stream):
        ticks = 0
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                ticks += packet.duration or 0
        context = stream.codec_context
        return AudioInfo(context.sample_rate, min(context.channels, 2), float(ticks * stream.time_base))


def read_audio(path: str | os.PathLike, *, sample_rate: int | None = None, mono: bool = False) -> Iterator[Audio]:
    """Blocks of the first audio stream of a sound or video file, in order, each some thousand samples long.

    Args:
        sample_rate: Hz to resample to; None keeps the file's own.
        mono: the mean of all channels; otherwise more than two channels are mixed down to stereo.

    Raises:
        ValueError: the file is missing, empty or damaged, has no sound, or holds samples that are not numbers.
    """
    blocks = _decode(path, mono)
    yield from resample_blocks(blocks, sample_rate) if sample_rate else blocks


def load_audio(path: str | os.PathLike, *, sample_rate: int | None = None, mono: bool = False) -> Audio:
    """The whole of `read_audio` as one `Audio`."""
    return join_blocks(read_audio(path, sample_rate=sample_rate, mono=mono))


def open_sound(sound: str | os.PathLike | Audio) -> tuple[Iterator[Audio], int, int]:
    """What `VideoWriter` wants of a file or of sound in memory: its blocks, sample rate and channels, 1 or 2.

    Raises:
        ValueError: as `probe_audio`; or the sound in memory is empty.
    """
    if not isinstance(sound, Audio):
        info = probe_audio(sound)
        return read_audio(sound), info.sample_rate, info.channels
    if not sound.waveform.size:
        raise ValueError("The voice has no samples; record or export it again.")
    sound = to_mono(sound) if len(sound.waveform) > 2 else sound
    second = sound.sample_rate
    starts = range(0, sound.waveform.shape[1], second)
    blocks = (Audio(sound.waveform[:, start : start + second], second) for start in starts)
    return blocks, sound.sample_rate, len(sound.waveform)


def join_blocks(blocks: Iterable[Audio]) -> Audio:
    """One `Audio` out of blocks that follow each other; there must be at least one."""
    blocks = list(blocks)
    return Audio(np.concatenate([block.waveform for block in blocks], axis=1), blocks[0].sample_rate)


def to_mono(audio: Audio) -> Audio:
    """The mean of all channels, as one."""
    return Audio(audio.waveform.mean(axis=0, keepdims=True, dtype=np.float32), audio.sample_rate)


def resample(audio: Audio, sample_rate: int) -> Audio:
    """The same sound at another rate: round(S * sample_rate / audio.sample_rate) samples, band-limited, not delayed."""
    return join_blocks(resample_blocks([audio], sample_rate))


def resample_blocks(blocks: Iterable[Audio], sample_rate: int) -> Iterator[Audio]:
    """`resample` for sound that arrives in blocks; the blocks that leave differ in length from those that came."""
    resampler = None
    taken = given = 0
    for block in blocks:
        if block.sample_rate == sample_rate:
            yield block
            continue
        if resampler is None:
            resampler, source_rate = av.AudioResampler(rate=sample_rate), block.sample_rate
            channels = len(block.waveform)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block.waveform), format="fltp", layout="mono" if channels == 1 else "stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = source_rate, taken, Fraction(1, source_rate)
        taken += block.waveform.shape[1]
        for resampled in resampler.resample(frame):
            given += resampled.samples
            yield Audio(resampled.to_ndarray(), sample_rate)
    if resampler is not None:
        rest = [resampled.to_ndarray() for resampled in resampler.resample(None)]
        rest.append(np.zeros((channels, sample_rate), np.float32))
        missing = round(taken * sample_rate / source_rate) - given
        yield Audio(np.concatenate(rest, axis=1)[:, :missing], sample_rate)


def _decode(path: str | os.PathLike, mono: bool) -> Iterator[Audio]:
    with _opened(path) as (container, stream):
        rate, channels = stream.codec_context.sample_rate, min(stream.codec_context.channels, 2)
        kind, samples = None, 0
        try:
            for frame in container.decode(stream):
                if kind != (frame.format.name, frame.layout.name, frame.sample_rate):  # which may change on the way
                    kind = frame.format.name, frame.layout.name, frame.sample_rate
                    # FFmpeg knows how to mix channels that have places; of others `_block` takes the mean
                    is_mixed = frame.layout.nb_channels > 2 and not mono and "channels" not in frame.layout.name
                    # packed, because PyAV reads beyond its list of planes where there are 8 or more, and crashes
                    to_float = av.AudioResampler("flt", layout="stereo" if is_mixed else None, rate=rate)
                for block in to_float.resample(frame):
                    waveform = block.to_ndarray().reshape(-1, block.layout.nb_channels).T
                    yield _block(path, waveform, rate, 1 if mono else channels)
                    samples += block.samples
        except (av.FFmpegError, OSError) as error:
            if is_out_of_memory(error):
                raise
            raise ValueError(
                f"The sound of {path} is damaged after {samples / rate:.2f} s ({error.strerror}); "
                "export it as 16-bit WAV."
            ) from None
        if not samples:
            raise ValueError(f"The sound of {path} has no samples; record or export it again.")


def _block(path: str | os.PathLike, waveform: np.ndarray, rate: int, channels: int) -> Audio:
    if len(waveform) != channels:
        with np.errstate(all="ignore"):  # the sum of what is no number is refused below
            waveform = np.repeat(waveform.mean(axis=0, keepdims=True), channels, axis=0)
    try:
        return Audio(waveform, rate)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[tuple[av.container.InputContainer, av.AudioStream]]:
    try:
        with open_media(path, "sound file") as container:
            if not container.streams.audio:
                raise ValueError(f"{path} has no sound; choose a recording, or a video with an audio track.")
            stream = container.streams.audio[0]
            context = stream.codec_context
            if context is None or not (context.sample_rate and 0 < context.channels <= MOST_CHANNELS):
                raise ValueError(f"{path} holds a kind of sound that cannot be read; export it as stereo WAV.")
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        if is_out_of_memory(error):
            raise
        raise ValueError(f"{path} is not a sound file that can be read ({error.strerror}); export it as WAV.") from None
