"""A text spoken by eSpeak NG and the mouth that says it, whose sounds are known to the millisecond."""

from __future__ import annotations

import os
import wave
from dataclasses import replace
from fractions import Fraction

import numpy as np

from . import espeak
from .articulation import Mouth
from .files import replacing
from .motion import NATURAL, visemes_to_motion
from .types import Audio, Cue, MouthMotion, VisemeTrack
from .visemes import PHONES, long_enough, phones_of

CLOSURE = 0.06
"""Seconds before the burst of a stop that the lips are shut."""
VOICED_CLOSURE = 0.6
"""Share of a [b] amid speech in which they are."""
BEFORE, AFTER = 0.25, 0.4
"""Seconds of silence in which the mouth opens and comes to rest."""
LONGEST_TEXT = 50_000
"""Letters; about an hour."""
FIRST_VOWEL = 0.6
"""Share of a diphthong that is its first vowel."""


def speak_text(
    text: str,
    frame_rate: Fraction,
    *,
    language: str = "en-us",
    words_per_minute: int = 160,
    pitch: int = 50,
    mouth: Mouth = NATURAL,
) -> tuple[Audio, MouthMotion]:
    """A voice that says `text`, with a little silence at either end, and how the mouth moves with it.

    Args:
        language: as eSpeak NG calls it, with a variant of the voice if wanted: en-us, de+f3, ja.
        words_per_minute: 80 to 450.
        pitch: 0 to 99.
        mouth: whose it is and how it speaks.

    Raises:
        ValueError: there is nothing to say, or eSpeak NG is missing or does not have the voice.
    """
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"The text has {len(text)} letters; up to {LONGEST_TEXT} are spoken at once. Split it.")
    if not 80 <= words_per_minute <= 450:
        raise ValueError(f"words_per_minute must lie between 80 and 450, got {words_per_minute}.")
    if not 0 <= pitch <= 99:
        raise ValueError(f"pitch must lie between 0 and 99, got {pitch}.")
    audio, phonemes = espeak.speak(text, language, words_per_minute=words_per_minute, pitch=pitch)
    before, after = (round(pause * audio.sample_rate) for pause in (BEFORE, AFTER))
    audio = Audio(np.pad(audio.waveform, [(0, 0), (before, after)]), audio.sample_rate)
    phonemes = [(start + BEFORE, end + BEFORE, ipa) for start, end, ipa in phonemes]
    phonemes.append((phonemes[-1][1] if phonemes else 0.0, audio.duration, ""))
    if not any(phones_of(ipa) for _, _, ipa in phonemes):
        raise ValueError("There is nothing to say: the text holds no words that can be spoken in this language.")
    track = VisemeTrack(tuple(Cue(*run) for run in long_enough(_runs(phonemes, audio.duration))), text)
    motion = visemes_to_motion(track, frame_rate, mouth=mouth)
    length = max(1, round(Fraction(audio.waveform.shape[1], audio.sample_rate) * Fraction(frame_rate)))
    return audio, replace(motion.resampled(frame_rate, length), visemes=track)


def write_wav(path: str | os.PathLike, audio: Audio) -> None:
    """Save a voice as 16-bit WAV; it appears under its name only when complete."""
    samples = np.clip(np.round(audio.waveform.T * 32768), -32768, 32767).astype("<i2")
    with replacing(path) as partial, wave.open(os.fspath(partial), "wb") as file:
        file.setnchannels(len(audio.waveform))
        file.setsampwidth(2)
        file.setframerate(audio.sample_rate)
        file.writeframes(samples.tobytes())


def _runs(phonemes: list[tuple[float, float, str]], duration: float) -> list[tuple[float, float, str]]:
    """Adjoining (start, end, viseme) of timed phonemes; sounds without lips of their own go on with those before.

    eSpeak NG times [p], and [b] after a pause, from the burst on: the lips are shut before it and open within it. Its
    other [b] begin with the lips shut.
    """
    starts: list[tuple[float, str]] = [(0.0, "sil")]
    released = None
    for start, end, ipa in phonemes:
        visemes = [PHONES[index].viseme for index in phones_of(ipa)] if ipa else ["sil"]
        begin, released = start if released is None else released, None
        if ipa[:1] in ("p", "b"):
            is_voiced = ipa[0] == "b" and starts[-1][1] != "sil"
            shut = start if is_voiced else max(0.0, start - CLOSURE)
            starts = [(at, viseme) for at, viseme in starts if at < shut] or starts[:1]
            starts.append((shut, "PP"))
            released = start + VOICED_CLOSURE * (end - start) if is_voiced else start
            continue
        for index, viseme in enumerate(visemes[:2]):
            starts.append((begin + index * FIRST_VOWEL * (end - begin), viseme))
    ends = [at for at, _ in starts[1:]] + [duration]
    return [(at, end, viseme) for (at, viseme), end in zip(starts, ends, strict=True) if end > at]
