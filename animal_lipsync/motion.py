"""Mouth movement from a voice, from visemes or from keyframes.

Knows nothing of sound waves (hearing.py), faces or pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from .alignment import follow_transcript
from .articulation import Mouth, smooth
from .audio import join_blocks, resample_blocks, to_mono
from .documents import FormatError, get_field, load_document, to_frame_rate, to_number
from .hearing import SAMPLE_RATE, hear
from .recognition import follow_recognised
from .types import CHANNELS, HEAD_LIMIT, LONGEST, Audio, MouthMotion, VisemeTrack
from .video import time_to_frame
from .visemes import BELIEVED, FRAMES_PER_SECOND, PHONE_SHAPES, SHAPES, VISEMES, viseme_track

NATURAL = Mouth()
MUMBLED = 1.8
"""How much further than heard a mouth may open so that the widest vowels of a recording reach WIDEST."""
QUIET = 0.1
"""How much less the mouth opens for each 10 dB that the voice is quieter than around it."""
BLUR = 1.5
"""Rows; sigma of the movement between the sounds that are heard, each of them a guess that comes and goes gradually."""
CUE_BLUR = 3.5
"""Rows; the same between the cues of a track, which change at once: nothing moves faster than about 6 Hz."""


def speech_to_motion(
    audio: Audio | Iterable[Audio],
    frame_rate: Fraction,
    *,
    transcript: str | None = None,
    language: str = "en-us",
    recognise: bool = False,
    mouth: Mouth = NATURAL,
) -> MouthMotion:
    """How a mouth moves that says what is heard, in any language: round(duration * frame_rate) frames, at least one.

    Sets `jaw_open`, `mouth_wide`, `mouth_pucker`, `mouth_close` and `tongue_out`, and the visemes they come from; where
    nobody speaks all are 0.

    Args:
        audio: the voice, whole or in blocks (`read_audio`).
        transcript: what is said; makes closures and vowels surer, and where it is wrong what is heard counts.
        language: of the transcript, as eSpeak NG calls it: en-us, de, fr, ja, cmn.
        recognise: without a transcript, let PocketSphinx (where it is installed) understand English first: surer
            closures, at four times real time instead of hundreds.
        mouth: whose it is and how it speaks.

    Raises:
        ValueError: nothing here knows how the language of the transcript is pronounced.
    """
    frame_rate = _positive(frame_rate)
    text, words = transcript, []
    if transcript or recognise:
        blocks = [audio] if isinstance(audio, Audio) else audio
        kept = list(resample_blocks((to_mono(block) for block in blocks), SAMPLE_RATE))
        heard, voice = hear(kept), join_blocks(kept)
        if transcript:
            heard, words = follow_transcript(heard, transcript, language, audio=voice)
        else:
            heard, words = follow_recognised(heard, voice)
            text = " ".join(word.text for word in words)
    else:
        heard = hear(audio)
    track = viseme_track(heard.phones, believed=0 if transcript else BELIEVED)
    track = replace(track, text=text or None, words=tuple((word.start, word.end, word.text) for word in words))
    shapes = smooth(np.exp(heard.phones) @ PHONE_SHAPES, BLUR)
    spoken = shapes[:, 0][shapes[:, 0] > 0.15]
    lift = np.clip(1 / np.percentile(spoken, 95), 1, MUMBLED) if len(spoken) else 1.0
    shapes[:, 0] *= lift * (1 + QUIET * smooth(np.clip(heard.loudness, -2, 0), 30))
    return mouth.say(track, shapes, frame_rate, heard.duration)


def visemes_to_motion(track: VisemeTrack, frame_rate: Fraction, *, mouth: Mouth = NATURAL) -> MouthMotion:
    """How `mouth` moves through the cues of a track, edited by hand or made by another program.

    Raises:
        ValueError: a cue's viseme is none of `visemes.VISEMES`.
    """
    frame_rate = _positive(frame_rate)
    duration = max((cue.end for cue in track.cues), default=0.0)
    shapes = np.zeros((round(duration * FRAMES_PER_SECOND), 3), np.float32)
    at = (np.arange(len(shapes)) + 0.5) / FRAMES_PER_SECOND
    for cue in track.cues:
        if cue.viseme not in VISEMES:
            raise ValueError(f"There is no viseme {cue.viseme!r}; they are {', '.join(VISEMES)}.")
        first, last = np.searchsorted(at, (cue.start, cue.end))
        shapes[first:last] = SHAPES[VISEMES.index(cue.viseme)]
    return mouth.say(track, smooth(shapes, CUE_BLUR), frame_rate, Fraction(duration))


def _positive(frame_rate: Fraction) -> Fraction:
    frame_rate = Fraction(frame_rate)
    if frame_rate <= 0:
        raise ValueError(f"frame_rate must be above 0, got {frame_rate}.")
    return frame_rate


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
    document = load_document(text, "keyframes")
    rate = to_frame_rate(document.get("frame_rate"))
    points: dict[str, list[tuple[float, float]]] = {}
    last = None
    for index, keyframe in enumerate(get_field(document, "keyframes", list, "keyframes")):
        where = f"keyframes[{index}]"
        if not isinstance(keyframe, dict):
            raise FormatError(f"{where} must be an object, got {type(keyframe).__name__}.")
        time = to_number(keyframe.get("time"), f"{where}.time")
        if not 0 <= time <= LONGEST:
            raise FormatError(f"{where}.time must lie between 0 and {LONGEST:g} seconds, got {time:g}.")
        if last is not None and time < last + 1e-6:
            raise FormatError(
                f"{where}.time must be later than {last:g}, that of the keyframe before it, got {time:g}."
            )
        last = time
        for name in keyframe.keys() - {"time"}:
            if name not in CHANNELS:
                raise FormatError(f"{where} names {name!r}; the channels are {', '.join(CHANNELS)}.")
            value = to_number(keyframe[name], f"{where}.{name}")
            low, high = (-HEAD_LIMIT, HEAD_LIMIT) if name.startswith("head_") else (0.0, 1.0)
            if not low <= value <= high:
                raise FormatError(f"{where}.{name} must lie between {low:g} and {high:g}, got {value:g}.")
            points.setdefault(name, []).append((time, value))
    if last is None:
        raise FormatError("keyframes.keyframes must list at least one keyframe.")
    length = time_to_frame(last, rate) + 1
    at = np.arange(length) / float(rate)
    return MouthMotion.from_channels(
        rate, length, **{name: pchip(*zip(*p, strict=True), at) for name, p in points.items()}
    )


def pchip(times: tuple[float, ...], values: tuple[float, ...], at: np.ndarray) -> np.ndarray:
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
