"""Sounds of speech, the mouth shapes they make, and who makes which when.

31 kinds of speech sound (`PHONES`) stand for all of the IPA; each has one of the field's 15 visemes (Oculus/OVR names)
and a lip shape. Knows nothing of sound waves (hearing.py), texts (alignment.py) or other programs' files (cues.py).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from .types import Cue, VisemeTrack

FRAMES_PER_SECOND = 100  # of what is heard; row t is centred on (t + 0.5) * 10 ms

VISEMES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")


@dataclass(frozen=True)
class Phone:
    """A kind of speech sound and what the mouth does for it."""

    name: str
    """IPA of one that stands for all."""
    viseme: str
    opening: float
    """Of the jaw, 0 to 1 for the widest vowel."""
    pucker: float
    """Of the lips, 0 to 1 for [u]."""
    wide: float
    """Of the lips, 0 to 1 for [i]."""


PHONES = (
    Phone("sil", "sil", 0.0, 0.0, 0.0),
    Phone("p", "PP", 0.0, 0.0, 0.0),
    Phone("m", "PP", 0.0, 0.0, 0.0),
    Phone("f", "FF", 0.15, 0.0, 0.1),
    Phone("v", "FF", 0.15, 0.0, 0.1),
    Phone("θ", "TH", 0.22, 0.0, 0.1),
    Phone("t", "DD", 0.22, 0.0, 0.2),
    Phone("d", "DD", 0.22, 0.0, 0.2),
    Phone("k", "kk", 0.22, 0.0, 0.1),
    Phone("ɡ", "kk", 0.22, 0.0, 0.1),
    Phone("x", "kk", 0.25, 0.0, 0.1),
    Phone("ʃ", "CH", 0.25, 0.5, 0.0),
    Phone("s", "SS", 0.22, 0.0, 0.4),
    Phone("z", "SS", 0.22, 0.0, 0.4),
    Phone("n", "nn", 0.22, 0.0, 0.2),
    Phone("l", "nn", 0.22, 0.0, 0.2),
    Phone("r", "RR", 0.25, 0.3, 0.0),
    Phone("a", "aa", 1.0, 0.0, 0.1),
    Phone("ɐ", "E", 0.65, 0.0, 0.1),
    Phone("æ", "E", 0.8, 0.0, 0.4),
    Phone("ɛ", "E", 0.65, 0.0, 0.4),
    Phone("e", "E", 0.52, 0.0, 0.5),
    Phone("ə", "E", 0.45, 0.0, 0.1),
    Phone("i", "ih", 0.3, 0.0, 0.9),
    Phone("ɪ", "ih", 0.3, 0.0, 0.6),
    Phone("ɚ", "oh", 0.45, 0.4, 0.0),
    Phone("ɔ", "oh", 0.6, 0.5, 0.0),
    Phone("o", "oh", 0.5, 0.7, 0.0),
    Phone("ø", "oh", 0.45, 0.7, 0.0),
    Phone("u", "ou", 0.3, 1.0, 0.0),
    Phone("w", "ou", 0.3, 1.0, 0.0),
)
INDEX = {phone.name: index for index, phone in enumerate(PHONES)}
LIKE = {
    "p": "bɓ",
    "m": "ɱ",
    "v": "ʋ",
    "θ": "ð",
    "t": "ʈ",
    "d": "ɖɗɾ",
    "k": "cq",
    "ɡ": "gɟɢɠ",
    "x": "çχɣʝ",
    "ʃ": "ʒʂʐɕʑ",
    "n": "ɲɳɴŋ",
    "l": "ʎɭɫɬɮʟ",
    "r": "ɹɽʁʀɻ",
    "a": "ɑä",
    "ɐ": "ʌ",
    "ə": "ɤɘ",
    "i": "j",
    "ɪ": "ɨᵻɯɰ",
    "ɚ": "ɜɝ",
    "ɔ": "ɒ",
    "o": "ɵ",
    "ø": "œɶ",
    "u": "ʊʉyʏɥ",
    "w": "ʍ",
}
"""The phone that stands for other letters of the IPA; [h], [ʔ], [β] have the lips of their neighbours and none."""
_PHONE_OF = {letter: INDEX[name] for name, letters in LIKE.items() for letter in name + letters} | {
    phone.name: index for index, phone in enumerate(PHONES) if len(phone.name) == 1
}


def phones_of(ipa: str) -> list[int]:
    """Index into `PHONES` of each letter of an IPA text; marks, lengths and sounds without lips are skipped."""
    return [_PHONE_OF[letter] for letter in unicodedata.normalize("NFD", ipa) if letter in _PHONE_OF]


VISEME_OF = np.array([VISEMES.index(phone.viseme) for phone in PHONES])
PHONE_SHAPES = np.array([(phone.opening, phone.pucker, phone.wide) for phone in PHONES], np.float32)
"""(31, 3) opening, pucker and spread of the lips for each phone."""
SHAPES = np.stack([PHONE_SHAPES[VISEME_OF == index].mean(axis=0) for index in range(len(VISEMES))])
"""(15, 3) the same for each viseme."""
SWITCH = 1.5
"""Nats of evidence it takes to change from one viseme to another."""
BELIEVED = 2.0
"""Rows of certainty, in sum, under which a closure is not believed: it opens and shuts for everybody to see."""
SHORTEST = 0.03
"""Seconds that a cue lasts at least; one that would be shorter belongs to its neighbours."""
SHORTEST_CLOSURE = 0.05
"""Seconds; lips that close at all are shut for a frame of any video of 20 or more a second."""
SHORTEST_PAUSE = 0.12
"""Seconds; in a shorter one the mouth does not come to rest."""


def viseme_track(phones: np.ndarray, *, believed: float = BELIEVED) -> VisemeTrack:
    """The likeliest cues without a gap between them, each long enough to be seen.

    Args:
        phones: (T, 31) log-probabilities of `PHONES`, T rows of 10 ms.
        believed: rows of certainty that a closure takes; 0 where a transcript vouches for it.
    """
    members = [phones[:, VISEME_OF == index] for index in range(len(VISEMES))]
    score = np.stack([np.logaddexp.reduce(member, axis=1) for member in members], axis=1)
    path = _best_path(score)
    closure = VISEMES.index("PP")
    for start, end in _runs(path):
        if path[start] == closure and np.exp(score[start:end, closure]).sum() < believed:
            path[start:end] = path[start - 1] if start else 0
    runs = [(start / FRAMES_PER_SECOND, end / FRAMES_PER_SECOND, VISEMES[path[start]]) for start, end in _runs(path)]
    return VisemeTrack(tuple(Cue(*run) for run in long_enough(runs)))


def long_enough(runs: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Adjoining (start, end, viseme) without those too short to be seen; closures are made long enough instead."""
    kept: list[list] = []
    for start, end, viseme in runs:
        least = SHORTEST_PAUSE if viseme == "sil" and kept else SHORTEST
        if viseme != "PP" and end - start < least and (kept or len(runs) > 1):
            if kept:
                kept[-1][1] = end
            continue
        if kept and kept[-1][2] == viseme:
            kept[-1][1] = end
        else:
            kept.append([kept[-1][1] if kept else 0.0, end, viseme])
    for index, (start, end, viseme) in enumerate(kept):
        missing = SHORTEST_CLOSURE - (end - start)
        if viseme == "PP" and missing > 0:
            before = kept[index - 1] if index else None
            after = kept[index + 1] if index + 1 < len(kept) else None
            if before:
                taken = min(missing / 2 if after else missing, max(0.0, before[1] - before[0] - SHORTEST))
                before[1] = kept[index][0] = start - taken
            if after:
                taken = min(missing / 2 if before else missing, max(0.0, after[1] - after[0] - SHORTEST))
                after[0] = kept[index][1] = end + taken
    return [tuple(run) for run in kept]


def _runs(path: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of every stretch of one class."""
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1)).tolist()
    return list(zip(edges[:-1], edges[1:], strict=True))


def _best_path(score: np.ndarray) -> np.ndarray:
    """(T,) classes of the best sum of (T, V) `score` less SWITCH for every change (Viterbi)."""
    total = np.zeros(score.shape[1])
    own = np.arange(score.shape[1])
    came_from = np.empty(score.shape, np.int8)
    for row, gained in enumerate(score):
        best = total.argmax()
        switched = total[best] - SWITCH
        came_from[row] = np.where(total >= switched, own, best)
        total = np.maximum(total, switched) + gained
        total -= total.max()
    path = np.empty(len(score), np.int64)
    at = total.argmax()
    for row in range(len(score) - 1, -1, -1):
        path[row] = at
        at = came_from[row, at]
    return path
