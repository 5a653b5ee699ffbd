"""eSpeak NG, where it is installed: how a text of any language is pronounced, and a voice that speaks it.

Found as the system's library or in the Python package `espeakng-loader`. Knows nothing of mouths.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from .types import Audio

NAMES = ("libespeak-ng.so.1", "libespeak-ng.so", "libespeak-ng.1.dylib", "libespeak-ng.dylib", "libespeak-ng.dll")
REMEDY = "install it (apt install espeak-ng, brew install espeak-ng) or run: pip install espeakng-loader"
SYNCHRONOUS, PHONEME_EVENTS, IPA_EVENTS = 2, 1, 2
RATE, PITCH, RANGE, WORD_GAP = 1, 3, 4, 7
UTF8, IPA = 1, 2
END, PHONEME = 0, 7


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def available() -> bool:
    """Whether eSpeak NG can be used here."""
    try:
        _library()
    except ValueError:
        return False
    return True


def pronounce(text: str, voice: str = "en-us") -> str:
    """IPA of a text of one line, without stress marks between its words lost: 'hello world' -> 'həlˈoʊ wˈɜːld'.

    Raises:
        ValueError: eSpeak NG is missing or does not have the voice.
    """
    library = _speaking(voice)
    rest = ctypes.c_char_p(text.encode(errors="replace"))
    clauses = []
    while rest.value:
        clause = library.espeak_TextToPhonemes(ctypes.byref(rest), UTF8, IPA)
        clauses.append(clause.decode(errors="ignore"))
    return " ".join(clauses)


def speak(
    text: str,
    voice: str = "en-us",
    *,
    words_per_minute: int = 175,
    pitch: int = 50,
    pitch_range: int = 50,
    gap: int = 0,
) -> tuple[Audio, list[tuple[float, float, str]]]:
    """A text spoken, and its phonemes: (start, end, IPA), seconds; pauses have an empty name.

    Args:
        pitch: 0 to 100.
        pitch_range: 0 (monotone) to 100.
        gap: pause between words, in 10 ms.

    Raises:
        ValueError: eSpeak NG is missing or does not have the voice.
    """
    library = _speaking(voice)
    for parameter, value in ((RATE, words_per_minute), (PITCH, pitch), (RANGE, pitch_range), (WORD_GAP, gap)):
        library.espeak_SetParameter(parameter, value, 0)
    blocks: list[np.ndarray] = []
    starts: list[tuple[int, str]] = []

    def receive(samples, count, event):
        if samples and count:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while event[index].type != END:
            if event[index].type == PHONEME:
                starts.append((event[index].sample, event[index].name.decode(errors="ignore").strip("_:|ˈˌ")))
            index += 1
        return 0

    callback = _CALLBACK(receive)
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode(errors="replace")  # half a letter, of a file's or terminal's other encoding, is not said
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, UTF8, None, None)
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    audio = Audio((samples / 32768).astype(np.float32)[None], library.sample_rate)
    edges = [start / library.sample_rate for start, _ in starts] + [audio.duration]
    return audio, [(edges[i], edges[i + 1], name) for i, (_, name) in enumerate(starts)]


def _speaking(voice: str) -> ctypes.CDLL:
    library = _library()
    if library.espeak_SetVoiceByName(voice.encode(errors="replace")):
        raise ValueError(f"eSpeak NG has no voice called {voice!r}; `espeak-ng --voices` lists those it has.")
    return library


@cache
def _library() -> ctypes.CDLL:
    library, data = None, None
    try:
        import espeakng_loader

        library, data = ctypes.CDLL(espeakng_loader.get_library_path()), espeakng_loader.get_data_path().encode()
    except ImportError:
        for name in NAMES:
            try:
                library = ctypes.CDLL(name)
                break
            except OSError:
                continue
    if library is None:
        raise ValueError(f"eSpeak NG is not installed; {REMEDY}.")
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.sample_rate = library.espeak_Initialize(SYNCHRONOUS, 200, data, PHONEME_EVENTS | IPA_EVENTS)
    if library.sample_rate <= 0:
        raise ValueError(f"eSpeak NG could not start: its voices are missing; {REMEDY}.")
    return library
