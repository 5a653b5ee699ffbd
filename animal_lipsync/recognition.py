"""English words that nobody wrote down, as far as PocketSphinx understands them where it is installed.

Its small language model gets three words in ten wrong, mostly for others that sound alike: laid over what the network
hears, they lend it the closures it is not sure of. A minute takes nine seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from .alignment import Word, align, follow_words, pronounce_words
from .hearing import HOP, SAMPLE_RATE, Heard
from .types import Audio
from .visemes import FRAMES_PER_SECOND, INDEX

SHORTEST, LONGEST = 4 * FRAMES_PER_SECOND, 15 * FRAMES_PER_SECOND  # rows recognised at once
PAUSE = FRAMES_PER_SECOND // 5  # rows of silence between sentences
UNDERSTOOD = 0.3
"""PocketSphinx's certainty times how well its words fit what the network hears. English read aloud has .3 to .7,
German, French, Japanese, Chinese, Russian and singing .1 to .27."""


def follow_recognised(heard: Heard, audio: Audio) -> tuple[Heard, list[Word]]:
    """What is heard, corrected by the English words recognised in it, and those words.

    All stays as heard, and there are no words, where PocketSphinx is not installed or does not understand the voice:
    another language, singing, noise.

    Args:
        audio: the voice, mono at `hearing.SAMPLE_RATE`.
    """
    recognised = recognise(heard, audio)
    if not recognised:
        return heard, []
    words = [word for word, _ in recognised]
    sounds = pronounce_words(words)
    fit = sum(word.confidence for word in align(words, sounds, heard.phones)[0]) / len(words)
    if fit * np.mean([certainty for _, certainty in recognised]) < UNDERSTOOD:
        return heard, []
    return follow_words(heard, words, sounds, audio=audio)


def recognise(heard: Heard, audio: Audio) -> list[tuple[str, float]]:
    """The words of an English voice and how certain they are, 0 to 1; none where PocketSphinx is not installed."""
    if not (decoder := _decoder()):
        return []
    words = []
    for start, end in _sentences(heard):
        samples = (np.clip(audio.waveform[0, start * HOP : end * HOP], -1, 1) * 32767).astype(np.int16)
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        parts = decoder.seg() or []
        words += [(part.word.split("(")[0], part.prob) for part in parts if part.word[0] not in "<[+"]
    return words


@cache
def _decoder():
    """PocketSphinx with its English language model, or None where it is not installed."""
    try:
        from pocketsphinx import Decoder
    except ImportError:
        return None
    # twice as fast as by default, and as many words right
    return Decoder(loglevel="FATAL", samprate=SAMPLE_RATE, fwdflat=False, maxhmmpf=3000, maxwpf=10)


def _sentences(heard: Heard) -> Iterator[tuple[int, int]]:
    """(start, end) rows of speech between pauses, neither short nor long."""
    silent = heard.phones[:, INDEX["sil"]] > np.log(0.5)
    edges = np.flatnonzero(np.diff(silent, prepend=False, append=False)).reshape(-1, 2)
    pauses = [(start + end) // 2 for start, end in edges.tolist() if end - start >= PAUSE]
    start = 0
    for cut in [*pauses, len(silent)]:
        while cut - start > LONGEST:
            late = slice(start + LONGEST // 2, start + LONGEST)
            quiet = late.start + int(heard.loudness[late].argmin())
            yield start, quiet
            start = quiet
        if cut - start >= SHORTEST or cut == len(silent):
            if not silent[start:cut].all():
                yield start, cut
            start = cut
