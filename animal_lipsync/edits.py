"""What an artist changed by hand about the mouth of a voice: cues and curves, as JSON.

Knows nothing of how the voice was heard, of faces or of pixels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from .documents import FormatError, get_field, load_document, to_number
from .motion import pchip, visemes_to_motion
from .types import CHANNELS, HEAD_LIMIT, Audio, Cue, MouthMotion, VisemeTrack
from .visemes import FRAMES_PER_SECOND, VISEMES

REACH = 0.3
"""Seconds around a keyframe in which a curve returns to what is heard; keyframes closer than that are joined."""
SPOKEN = ("jaw_open", "mouth_wide", "mouth_pucker", "mouth_close", "tongue_out")
"""Channels that cues move."""
NEAR, FAR = 0.06, 0.2
"""Seconds around a changed cue up to which its own motion counts alone, and from which on what was heard does."""
PARTS = 64
"""Of a fingerprint."""


@dataclass(frozen=True)
class Edits:
    """Changes to the motion of one voice; none at all when empty."""

    cues: tuple[Cue, ...] | None = None
    """All cues as they shall be, in order and without overlap; None leaves them as heard."""
    curves: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """Keyframes of channels: (seconds, value), in order."""
    voice: str = ""
    """`voice_fingerprint` of the voice they were made for; empty when they may be used on any."""
    track: str = ""
    """`track_fingerprint` of the visemes they were made for, when those were not heard but given."""

    def to_json(self) -> str:
        document: dict = {"version": 1, "voice": self.voice, "track": self.track}
        if self.cues is not None:
            document["cues"] = [{"start": cue.start, "end": cue.end, "viseme": cue.viseme} for cue in self.cues]
        document["curves"] = {name: [list(key) for key in keys] for name, keys in self.curves.items()}
        return json.dumps(document)

    @classmethod
    def from_json(cls, text: str) -> Edits:
        """Read edits; an empty text changes nothing. Where cues overlap, the one that starts later goes on.

        Raises:
            FormatError: naming the field that is wrong.
        """
        if not text.strip():
            return cls()
        document = load_document(text, "edits")
        for name in ("voice", "track"):
            if not isinstance(document.get(name, ""), str):
                raise FormatError(f"edits.{name} must be text, got {type(document[name]).__name__}.")
        cues = None
        if document.get("cues") is not None:
            cues = _in_order([_cue(cue, index) for index, cue in enumerate(get_field(document, "cues", list, "edits"))])
        curves = {}
        for name, keys in (get_field(document, "curves", dict, "edits") if "curves" in document else {}).items():
            if name not in CHANNELS:
                raise FormatError(f"edits.curves names {name!r}; the channels are {', '.join(CHANNELS)}.")
            if not isinstance(keys, list):
                raise FormatError(f"edits.curves.{name} must be a list of [seconds, value].")
            if keys:
                curves[name] = tuple(sorted(dict(_key(key, name, index) for index, key in enumerate(keys)).items()))
        return cls(cues, curves, document.get("voice", ""), document.get("track", ""))

    def suit(self, voice: Audio, track: VisemeTrack | None = None) -> bool:
        """Whether they were made for this voice and, where it is given, this track, as far as they say."""
        return (not self.voice or is_same_voice(self.voice, voice_fingerprint(voice))) and (
            not self.track or track is None or is_same_track(self.track, track_fingerprint(track))
        )


def apply_edits(motion: MouthMotion, edits: Edits) -> MouthMotion:
    """The motion with `edits`: further than FAR from a changed cue and REACH from a keyframe it stays as it was."""
    if edits.cues is not None:
        end = max([len(motion) / float(motion.frame_rate), *(cue.end for cue in motion.visemes.cues)])
        cues = tuple(replace(cue, end=min(cue.end, end)) for cue in edits.cues if cue.start < end)
        track = replace(motion.visemes, cues=cues)
        changed = _changed(motion, cues)
        by_hand = visemes_to_motion(track, motion.frame_rate).resampled(motion.frame_rate, len(motion))
        channels = {}
        for name in SPOKEN:
            heard = motion.channel(name)
            channels[name] = heard + changed * (by_hand.channel(name) - heard)
        motion = replace(motion.with_channels(**channels), visemes=track)
    frames = np.arange(len(motion)) / float(motion.frame_rate)
    curves = {name: _through(motion.channel(name), frames, keys) for name, keys in edits.curves.items()}
    return motion.with_channels(**curves) if curves else motion


def voice_fingerprint(voice: Audio) -> str:
    """What tells a voice from others, however it was encoded: the loudness of 64 equal parts."""
    parts = np.array_split(voice.waveform.mean(axis=0, dtype=np.float64) ** 2, PARTS)
    power = np.array([part.mean() if len(part) else 0.0 for part in parts])
    # what is 40 dB quieter than the loudest part may be noise of the encoder
    level = np.log10(power / max(power.max(), 1e-9) + 1e-4)
    return (255 * (1 + np.clip(level / 4, -1, 0))).astype(np.uint8).tobytes().hex()


def is_same_voice(a: str, b: str) -> bool:
    """Whether two fingerprints are of one voice, give or take compression."""
    try:
        levels = [np.frombuffer(bytes.fromhex(text), np.uint8).astype(int) for text in (a, b)]
    except ValueError:
        return False
    if any(level.shape != (PARTS,) for level in levels):
        return False
    return bool(np.mean(np.abs(levels[0] - levels[1]) <= 10) > 0.9)  # 1.6 dB


def track_fingerprint(track: VisemeTrack) -> str:
    """The visemes of 64 moments, as letters."""
    end = max((cue.end for cue in track.cues), default=0.0)
    rows = _rows(track.cues, PARTS, PARTS / end if end else 1.0)
    return "".join(chr(ord("a") + row) for row in rows)


def is_same_track(a: str, b: str) -> bool:
    return len(a) == len(b) and sum(x == y for x, y in zip(a, b, strict=True)) > 0.9 * len(a)


def _changed(motion: MouthMotion, cues: tuple[Cue, ...]) -> np.ndarray:
    """(T,) 1 where `cues` differ from those of the motion, 0 further than FAR from there."""
    end = max((cue.end for cue in (*motion.visemes.cues, *cues)), default=0.0)
    count = int(np.ceil(end * FRAMES_PER_SECOND))
    before, after = (_rows(track, count, FRAMES_PER_SECOND) for track in (motion.visemes.cues, cues))
    rows = np.flatnonzero(before != after)
    if not len(rows):
        return np.zeros(len(motion), np.float32)
    frames = np.arange(len(motion)) / float(motion.frame_rate)
    at = (rows + 0.5) / FRAMES_PER_SECOND
    next_row = np.searchsorted(at, frames)
    after = np.abs(at[np.minimum(next_row, len(at) - 1)] - frames)
    before = np.abs(at[np.maximum(next_row - 1, 0)] - frames)
    return _ease((FAR - np.minimum(before, after)) / (FAR - NEAR))


def _rows(cues: tuple[Cue, ...], count: int, rate: float) -> np.ndarray:
    """(count,) index of the viseme of each moment, `rate` a second; those without a cue are like rest."""
    rows = np.zeros(count, int)
    at = (np.arange(count) + 0.5) / rate
    for cue in cues:
        first, last = np.searchsorted(at, (cue.start, cue.end))
        rows[first:last] = VISEMES.index(cue.viseme)
    return rows


def _through(values: np.ndarray, frames: np.ndarray, keys: tuple[tuple[float, float], ...]) -> np.ndarray:
    """`values` bent so that they run through the keyframes."""
    nearness = np.zeros(len(values))
    for time, _ in keys:
        first, last = np.searchsorted(frames, (time - REACH, time + REACH))
        nearness[first:last] += _ease(1 - np.abs(frames[first:last] - time) / REACH)
    curve = pchip(*zip(*keys, strict=True), frames)
    return values + np.minimum(nearness, 1) * (curve - values)


def _ease(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _cue(cue, index: int) -> Cue:
    where = f"edits.cues[{index}]"
    if not isinstance(cue, dict):
        raise FormatError(f"{where} must be {{start, end, viseme}}, got {type(cue).__name__}.")
    if cue.get("viseme") not in VISEMES:
        raise FormatError(f"{where} has viseme {str(cue.get('viseme'))[:40]!r}; they are {', '.join(VISEMES)}.")
    start, end = to_number(cue.get("start"), f"{where}.start"), to_number(cue.get("end"), f"{where}.end")
    if start < 0:
        raise FormatError(f"{where}.start must not lie before 0 s, got {start:g}.")
    return Cue(start, end, cue["viseme"])


def _key(key, name: str, index: int) -> tuple[float, float]:
    where = f"edits.curves.{name}[{index}]"
    if not isinstance(key, list) or len(key) != 2:
        raise FormatError(f"{where} must be [seconds, value].")
    time, value = (to_number(number, where) for number in key)
    low, high = (-HEAD_LIMIT, HEAD_LIMIT) if name.startswith("head_") else (0.0, 1.0)
    if time < 0 or not low <= value <= high:
        raise FormatError(f"{where} must be a time from 0 s and a value from {low:g} to {high:g}, got {key}.")
    return round(time, 4), value


def _in_order(cues: list[Cue]) -> tuple[Cue, ...]:
    """The cues by their start, each cut where the next one starts; those that last no time are left out."""
    cues = sorted((cue for cue in cues if cue.end > cue.start), key=lambda cue: cue.start)
    cut = [replace(cue, end=min(cue.end, after.start)) for cue, after in pairwise(cues)] + cues[-1:]
    return tuple(cue for cue in cut if cue.end > cue.start)
