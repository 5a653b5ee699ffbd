"""A transcript laid over what is heard: when each word is said, and how sure that is.

Words become sounds by eSpeak NG (any language it speaks) or, in English, by the dictionary that PocketSphinx brings;
sounds find their place in what the network heard by dynamic programming. Words that were not said are left out and
speech that was not written is left to the network, so a wrong transcript costs nothing but its benefit.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from . import espeak
from .hearing import HOP, SAMPLE_RATE, Heard
from .types import Audio
from .visemes import FRAMES_PER_SECOND, INDEX, phones_of

logger = logging.getLogger(__name__)

FILLER = 1.0
"""Nats a row by which speech that is not written is less likely than the best guess of the network."""
SKIP = 9.0
"""Nats that a word costs which is written and not said."""
PAUSE = 1.0
"""Nats that a pause between two words costs."""
TRUST = 5.0
"""Nats by which a sound that is written where it is heard is likelier than the network alone thinks."""
SURE = 0.45
"""Confidence under which a word counts as not said."""
NEIGHBOURS = 5
"""Words at either side that must fit too; any word is found somewhere in any voice."""
SECOND_OPINION = 1.5
"""Nats by which a sound is likelier where PocketSphinx hears it too."""
LONGEST_PIECE = 20.0
"""Seconds that PocketSphinx aligns at once."""
MARGIN = 3
"""Rows that it hears around half a piece."""
BLOCK = 60 * FRAMES_PER_SECOND  # rows aligned at once; half of them are kept
WORDS = 600  # that may be said in them
ARPABET = {"AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "tʃ", "D": "d",
           "DH": "ð", "EH": "ɛ", "ER": "ɚ", "EY": "eɪ", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i",
           "JH": "dʒ", "K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ", "OY": "ɔɪ", "P": "p", "R": "r",
           "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z",
           "ZH": "ʒ"}  # fmt: skip
ARPABET_OF = {phones[0]: name for name, ipa in ARPABET.items() if len(phones := phones_of(ipa)) == 1} | {
    INDEX[ipa]: name for ipa, name in zip("pxiʃneəoø", "B HH IY SH N EY AH OW ER".split(), strict=True)
}
"""A sound of English for each of ours, for words that its dictionary lacks."""
WITHOUT_SPACES = "\u3040-\u30ff\u3400-\u9fff"  # kana and Han: each letter is a word


@dataclass(frozen=True)
class Word:
    """A word of the transcript where it is said."""

    text: str
    start: float
    """Seconds."""
    end: float
    confidence: float
    """0 to 1; how well it and its neighbours fit what is heard."""
    index: int
    """Which word of the transcript, from 0."""


def words_of(text: str) -> list[str]:
    """The words of a text without markup, emoji and punctuation: `It's <b>3</b> p.m. 🐶` -> It's, 3, p, m."""
    text = re.sub(r"<[^<>]{0,200}>", " ", unicodedata.normalize("NFC", text)).replace("’", "'")
    return re.findall(rf"[{WITHOUT_SPACES}]|(?:(?![{WITHOUT_SPACES}_])[\w\u0300-\u036f\u0900-\u0dff'])+", text)


def pronounce_words(words: list[str], language: str = "en-us") -> list[list[int]]:
    """The sounds of each word, as indices into `PHONES`; none for a word that cannot be said.

    Raises:
        ValueError: nothing here knows how the language is pronounced.
    """
    if espeak.available():
        known = {word: phones_of(espeak.pronounce(word, language)) for word in set(words)}
    elif language.startswith("en") and (dictionary := _dictionary()):
        known = {word: dictionary.get(word.lower(), []) for word in set(words)}
    else:
        raise ValueError(f"A transcript needs eSpeak NG to know how it is pronounced; {espeak.REMEDY}.")
    return [known[word] for word in words]


@cache
def _dictionary() -> dict[str, list[int]]:
    """English words and their sounds, from PocketSphinx where it is installed."""
    try:
        from pocketsphinx import get_model_path
    except ImportError:
        return {}
    lines = (Path(get_model_path()) / "en-us" / "cmudict-en-us.dict").read_text().splitlines()
    rows = (line.split() for line in lines if line.strip())
    return {word: phones_of("".join(ARPABET[phone] for phone in phones)) for word, *phones in rows if "(" not in word}


def follow_transcript(
    heard: Heard, text: str, language: str = "en-us", *, audio: Audio | None = None
) -> tuple[Heard, list[Word]]:
    """What is heard, corrected by what is written, and when each word is said.

    Words whose confidence is low, and speech between them, stay as heard.

    Args:
        audio: the voice, mono at `hearing.SAMPLE_RATE`; PocketSphinx, where it is installed, hears English in it too.

    Raises:
        ValueError: nothing here knows how the language is pronounced.
    """
    words = words_of(text)
    sounds = pronounce_words(words, language)
    followed, found = follow_words(heard, words, sounds, audio=audio if language.startswith("en") else None)
    spoken = sum(map(bool, sounds))
    sure = sum(word.confidence >= SURE for word in found)
    if len(heard.phones) and sure < spoken / 2:
        logger.warning("Only %d of the %d words of the transcript are heard in this voice.", sure, spoken)
    return followed, found


def follow_words(
    heard: Heard, words: list[str], sounds: list[list[int]], *, audio: Audio | None = None
) -> tuple[Heard, list[Word]]:
    """`follow_transcript` of words whose sounds are known, in any language.

    Args:
        audio: where the words are English; PocketSphinx hears them in it too.
    """
    spoken = [index for index, phones in enumerate(sounds) if phones]
    if not spoken or not len(heard.phones):
        return heard, []
    words, sounds = [words[index] for index in spoken], [sounds[index] for index in spoken]
    found, written = align(words, sounds, heard.phones)
    phones = heard.phones.copy()
    if audio is not None and (decoder := _decoder()):
        for start, end, phone in _second_opinion(decoder, audio, found, sounds):
            phones[start:end, phone] += SECOND_OPINION
        found, written = align(words, sounds, phones)
    believed = np.zeros(len(phones), bool)
    for word in found:
        if word.confidence >= SURE:
            believed[round(word.start * FRAMES_PER_SECOND) : round(word.end * FRAMES_PER_SECOND)] = True
    rows = np.flatnonzero(believed & (written >= 0))
    phones[rows, written[rows]] += TRUST
    phones -= np.logaddexp.reduce(phones, axis=1, keepdims=True)
    return replace(heard, phones=phones), [replace(word, index=spoken[word.index]) for word in found]


@cache
def _decoder():
    """PocketSphinx with its English sounds, or None where it is not installed."""
    try:
        from pocketsphinx import Decoder
    except ImportError:
        return None
    return Decoder(lm=None, loglevel="FATAL", samprate=SAMPLE_RATE)


def _second_opinion(
    decoder, audio: Audio, found: list[Word], sounds: list[list[int]]
) -> Iterator[tuple[int, int, int]]:
    """(start, end, phone) rows of the sounds of the words that are said, as PocketSphinx hears them, piece by piece."""
    pieces: list[list[Word]] = []
    for word in found:
        if pieces and word.end - pieces[-1][0].start < LONGEST_PIECE and word.start - pieces[-1][-1].end < 1:
            pieces[-1].append(word)
        else:
            pieces.append([word])
    samples = (np.clip(audio.waveform[0], -1, 1) * 32767).astype(np.int16)
    for piece in pieces:
        words = [word.text.lower() for word in piece]
        for word in piece:
            if not decoder.lookup_word(word.text.lower()):
                decoder.add_word(word.text.lower(), " ".join(ARPABET_OF[phone] for phone in sounds[word.index]), True)
        begin = max(0, round((piece[0].start - 0.2) * FRAMES_PER_SECOND))
        rows = slice(begin * HOP, round((piece[-1].end + 0.2) * FRAMES_PER_SECOND) * HOP)
        for spoken in words_of_pocketsphinx(decoder, samples[rows], words):
            for start, end, name in spoken:
                own = phones_of(ARPABET.get(name, ""))
                middle = start + round(0.6 * (end - start)) if len(own) > 1 else end
                for (a, b), phone in zip(((start, middle), (middle, end)), own, strict=False):
                    yield begin + a, begin + b, phone


def words_of_pocketsphinx(decoder, samples: np.ndarray, words: list[str]) -> list[list[tuple[int, int, str]]]:
    """(start, end, ARPABET) rows of the sounds of each word; words that do not fit the sound are missing.

    Args:
        samples: int16, mono at `hearing.SAMPLE_RATE`.
        words: all in the dictionary of the decoder.
    """
    said: list[tuple[str, int, int]] = []
    try:
        decoder.set_align_text(" ".join(words))
        _decode(decoder, samples)
        for part in decoder.seg() or []:
            if not part.word.startswith("<"):
                said.append((part.word.split("(")[0], part.start_frame, part.end_frame))
        decoder.set_alignment()
        _decode(decoder, samples)
        return [
            [(phone.start, phone.start + phone.duration, phone.name) for phone in word]
            for word in decoder.get_alignment() or []
            if not word.name.startswith("<")
        ]
    except RuntimeError:  # the last sound was not reached; it often is in a half
        found = []
        for half in (said[: len(said) // 2], said[len(said) // 2 :]) if len(said) > 1 else ():
            first = max(0, half[0][1] - MARGIN)
            piece = samples[first * HOP : (half[-1][2] + 1 + MARGIN) * HOP]
            for word in words_of_pocketsphinx(decoder, piece, [name for name, _, _ in half]):
                found.append([(first + start, first + end, name) for start, end, name in word])
        return found


def _decode(decoder, samples: np.ndarray) -> None:
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()


def align(words: list[str], sounds: list[list[int]], phones: np.ndarray) -> tuple[list[Word], np.ndarray]:
    """When words are said.

    Args:
        sounds: of each word, at least one.
        phones: (T, 31) log-probabilities.

    Returns:
        The words that are said, in order, and (T,) the sound that is written at each moment, -1 where none is.
    """
    if not len(phones):
        return [], np.zeros(0, int)
    score = phones - 0.7 * np.log(np.exp(phones).mean(axis=0) + 1e-3)
    best = score.max(axis=1)
    filler = np.maximum(score[:, INDEX["sil"]], best - FILLER)
    found: list[Word] = []
    written = np.full(len(phones), -1)
    fit = np.zeros(len(words))
    row, first = 0, 0
    while row < len(phones) and first < len(words):
        rows = slice(row, min(len(phones), row + BLOCK))
        chain = _Chain(sounds[first : first + WORDS])
        path = chain.best_path(score[rows], filler[rows])
        word = chain.word[path]
        stop = len(path)
        if rows.stop < len(phones):  # only what lies well before the end of the block is certain
            between = np.flatnonzero((word < 0)[BLOCK // 2 :])
            stop = BLOCK // 2 + (int(between[0]) if len(between) else 0)
        for start, end in _runs(word, np.flatnonzero(word[:stop] >= 0)):
            index = first + int(word[start])
            at = np.arange(row + start, row + end)
            written[at] = chain.phone[path[start:end]]
            fit[index] = np.exp(np.mean(np.maximum(score[at, written[at]] - best[at], -4)))
            begin, finish = int(at[0]) / FRAMES_PER_SECOND, int(at[-1] + 1) / FRAMES_PER_SECOND
            found.append(Word(words[index], begin, finish, float(fit[index]), index))
        first += int(chain.after[path[stop - 1]])
        row += stop
    kernel = np.ones(2 * NEIGHBOURS + 1)
    count, total = (np.convolve(np.pad(v, NEIGHBOURS), kernel, "valid") for v in (np.ones(len(fit)), fit))
    around = total / count
    return [replace(word, confidence=float(min(word.confidence, around[word.index]))) for word in found], written


def _runs(word: np.ndarray, said: np.ndarray):
    """(start, end) of every stretch of one word among the rows `said`."""
    if len(said):
        breaks = np.flatnonzero((np.diff(said) > 1) | (np.diff(word[said]) != 0))
        for start, end in zip([said[0], *said[breaks + 1]], [*said[breaks], said[-1]], strict=True):
            yield int(start), int(end) + 1


class _Chain:
    """States that speech passes through from left to right: a gap, the sounds of a word, a gap, and so on."""

    def __init__(self, sounds: list[list[int]]):
        phone, word, after = [-1], [-1], [0]
        for index, own in enumerate(sounds):
            phone += [*own, -1]
            word += [index] * len(own) + [-1]
            after += [index + 1] * (len(own) + 1)
        self.phone, self.word, self.after = np.array(phone), np.array(word), np.array(after)
        self.gaps = np.flatnonzero(self.phone < 0)

    def best_path(self, score: np.ndarray, filler: np.ndarray) -> np.ndarray:
        """(T,) states of the best way through (T, 31) scores, from the first gap to anywhere."""
        states, gaps = len(self.phone), self.gaps
        gap = self.phone < 0
        total = np.full(states, -np.inf)
        total[gaps] = -SKIP * np.arange(len(gaps))
        came_from = np.empty((len(score), states), np.int32)
        own = np.arange(states)
        skipped = SKIP * np.arange(len(gaps))
        for row in range(len(score)):
            step = np.concatenate([[-np.inf], total[:-1]]) - PAUSE * gap
            over = np.concatenate([[-np.inf, -np.inf], total[:-2]])  # a gap that nobody makes
            over[2:][~gap[1:-1]] = -np.inf
            origin = own.copy()
            if row:
                better = step > total
                total, origin = np.where(better, step, total), np.where(better, own - 1, origin)
                better = over > total
                total, origin = np.where(better, over, total), np.where(better, own - 2, origin)
                # words that are not said: from a gap to any later one
                lifted = total[gaps] + skipped
                highest = np.maximum.accumulate(lifted)
                source = np.maximum.accumulate(np.where(lifted >= highest, np.arange(len(gaps)), 0))
                jumped = np.flatnonzero(source != np.arange(len(gaps)))
                total[gaps[jumped]] = highest[jumped] - skipped[jumped]
                origin[gaps[jumped]] = origin[gaps[source[jumped]]]
            else:
                better = step > total
                total = np.where(better, step, total)
            came_from[row] = origin
            total = total + np.where(gap, filler[row], score[row, self.phone])
        path = np.empty(len(score), np.int64)
        at = int(total.argmax())
        for row in range(len(score) - 1, -1, -1):
            path[row] = at
            at = came_from[row, at]
        return path
