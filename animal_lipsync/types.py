"""The nouns of the library: small frozen dataclasses of arrays, and the JSON of those that users edit.

Knows nothing of pixels, files of media, networks or the host.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from .documents import LARGEST, FormatError, get_field, load_document, to_array, to_count, to_frame_rate, to_number
from .schemas import LOWER_LIP, SCHEMAS, UPPER_LIP

CHANNELS = (
    "jaw_open",
    "mouth_wide",
    "mouth_pucker",
    "mouth_close",
    "tongue_out",
    "head_pitch",
    "head_yaw",
    "head_roll",
    "blink_left",
    "blink_right",
    "brow",
)
"""Channels of a `MouthMotion`: [0, 1], except the `head_*` ones, which are degrees."""

LONGEST = 24 * 3600.0
"""Seconds of a clip or a motion; what claims to be longer is damaged."""

LOUDEST = 10.0
"""Of a sample; a recording may overshoot [-1, 1], but what is far beyond was not meant as sound between -1 and 1."""

HEAD_LIMIT = 45.0
"""Degrees; a head channel beyond it is a mistake in the file, not a movement."""


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound in memory."""

    waveform: np.ndarray
    """(C, S) float32 in [-1, 1]; up to `LOUDEST` where it overshoots."""
    sample_rate: int
    """Hz."""

    def __post_init__(self):
        if self.waveform.ndim != 2:
            raise ValueError(f"waveform must have shape (channels, samples), got {self.waveform.shape}")
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate must be above 0 Hz, got {self.sample_rate}.")
        if not np.isfinite(self.waveform).all():
            raise ValueError("The sound holds samples that are not numbers (NaN or infinite); export it as 16-bit WAV.")
        if self.waveform.size and np.abs(self.waveform).max() > LOUDEST:
            peak = np.abs(self.waveform).max()
            raise ValueError(
                f"The sound must lie between -1 and 1, got a sample of {peak:.3g}; export it as 16-bit WAV."
            )

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.waveform.shape[1] / self.sample_rate


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One animal's face through time. A still has T = 1 and stands for every frame."""

    boxes: np.ndarray
    """(T, 4) float32: x1, y1, x2, y2 in pixels of the full frame."""
    keypoints: np.ndarray
    """(T, K, 2) float32: x right, y down, pixels of the full frame; pixel 0 spans [0, 1)."""
    score: np.ndarray
    """(T, K) float32 in [0, 1]; 0 where the point is an estimate."""
    visible: np.ndarray
    """(T,) bool; a frame where it is False passes through untouched."""
    species: str = "unknown"
    schema: str = "animal9"
    """Key into `schemas.SCHEMAS`, which names the K points."""

    def __post_init__(self):
        count = len(SCHEMAS[self.schema].names)
        frames = len(self.keypoints)
        expected = {
            "boxes": (frames, 4),
            "keypoints": (frames, count, 2),
            "score": (frames, count),
            "visible": (frames,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {getattr(self, name).shape}")

    def __len__(self) -> int:
        return len(self.keypoints)

    def __getitem__(self, frames: slice | np.ndarray) -> FaceTrack:
        return replace(
            self,
            boxes=self.boxes[frames],
            keypoints=self.keypoints[frames],
            score=self.score[frames],
            visible=self.visible[frames],
        )

    @property
    def mouth_score(self) -> np.ndarray:
        """(T,) float32 in [0, 1]: how sure it is where the lips meet."""
        return self.score[:, [UPPER_LIP, LOWER_LIP]].mean(1)

    def shifted(self, x: float, y: float) -> FaceTrack:
        """The same face seen from a frame whose origin lies at (x, y) of this one."""
        offset = np.array([x, y], np.float32)
        return replace(self, boxes=self.boxes - np.tile(offset, 2), keypoints=self.keypoints - offset)

    def scaled(self, factor: float) -> FaceTrack:
        """The same face in frames `factor` times as large."""
        return replace(self, boxes=self.boxes * np.float32(factor), keypoints=self.keypoints * np.float32(factor))


@dataclass(frozen=True, eq=False)
class Faces:
    """All animals found in one picture or video: the content of FACES.json."""

    width: int
    height: int
    frame_rate: Fraction
    """Of the video; 0 for a picture."""
    frames: int
    """Length of the source; 1 for a picture."""
    tracks: tuple[FaceTrack, ...]
    """Each of length `frames`."""
    scores: tuple[float, ...] = ()
    """Detection score of each track; empty when the points were set by hand."""
    picture: str = ""
    """`image.fingerprint` of the first frame they belong to; empty when they may be used on any."""
    best_candidate: tuple[float, int] = (0.0, 0)
    """Score and frame of what looked most like a face, whether or not it was taken for one."""
    anchors: tuple[tuple[int, ...], ...] = ()
    """Of each track the frames that were set by hand, between which it follows the animal (correction.py); empty for
    one that is complete."""

    def to_json(self) -> str:
        faces = []
        for index, track in enumerate(self.tracks):
            anchors = self.anchors[index] if self.anchors else ()
            seen = np.array(anchors) if anchors else np.flatnonzero(track.visible)
            points = np.concatenate([track.keypoints, track.score[..., None]], axis=-1)[seen]
            faces.append(
                {
                    "id": index,
                    "species": track.species,
                    "score": round(float(self.scores[index]), 3) if self.scores else 1.0,
                    "schema": track.schema,
                    "frames": seen.tolist(),
                    "hidden": _runs(~track.visible),
                    "boxes": np.round(track.boxes[seen].astype(float), 2).tolist(),
                    "keypoints": np.round(points.astype(float), 3).tolist(),
                }
                | ({"follow": True} if anchors else {})
            )
        source = {
            "width": self.width,
            "height": self.height,
            "frame_rate": str(self.frame_rate),
            "frames": self.frames,
        }
        if self.picture:
            source["picture"] = self.picture
        if not faces:
            source["best_candidate"] = [round(self.best_candidate[0], 3), self.best_candidate[1]]
        return json.dumps({"version": 1, "source": source, "faces": faces})

    @classmethod
    def from_json(cls, text: str) -> Faces:
        """Read FACES.json.

        Frames between two listed ones are interpolated; frames before the first or after the last are not visible.
        A single listed frame stands for the whole clip. `hidden` lists [first, last] frames without the face. A face
        with `follow` is visible in all others, and its listed frames are its `anchors`.

        Raises:
            FormatError: naming the field that is wrong.
        """
        document = load_document(text, "faces")
        source = get_field(document, "source", dict, "faces")
        width, height, frames = (
            to_count(get_field(source, name, object, "faces.source"), f"faces.source.{name}")
            for name in ("width", "height", "frames")
        )
        rate = source.get("frame_rate", "0")
        rate = Fraction(0) if rate in ("0", 0) else to_frame_rate(rate)
        listed = get_field(document, "faces", list, "faces")
        if frames * len(listed) > 2 * LARGEST:
            raise FormatError(f"faces must be fewer for so long a clip, got {len(listed)} of {frames} frames each.")
        tracks, scores, anchors = [], [], []
        for index, face in enumerate(listed):
            if not isinstance(face, dict):
                raise FormatError(f"faces[{index}] must be an object, got {type(face).__name__}.")
            tracks.append(_track_from_json(face, index, frames))
            scores.append(to_number(face.get("score", 1.0), f"faces[{index}].score"))
            anchors.append(tuple(face["frames"]) if face.get("follow") is True else ())
        picture = source.get("picture", "")
        if not isinstance(picture, str):
            raise FormatError(f"faces.source.picture must be text, got {type(picture).__name__}.")
        score, frame = to_array(source.get("best_candidate") or [0, 0], (2,), "faces.source.best_candidate").tolist()
        anchors = tuple(anchors) if any(anchors) else ()
        return cls(width, height, rate, frames, tuple(tracks), tuple(scores), picture, (score, int(frame)), anchors)


@dataclass(frozen=True)
class Cue:
    """A mouth class held from `start` to `end`, seconds."""

    start: float
    end: float
    viseme: str


@dataclass(frozen=True)
class VisemeTrack:
    """What is said when."""

    cues: tuple[Cue, ...] = ()
    text: str | None = None
    """The transcript the cues were aligned to, if any."""
    words: tuple[tuple[float, float, str], ...] = ()
    """(start, end, word) of those of `text` that were heard, seconds."""


@dataclass(frozen=True, eq=False)
class MouthMotion:
    """Mouth and head parameters per frame; frame t shows time t / frame_rate."""

    values: np.ndarray
    """(T, P) float32, one column per channel: [0, 1], `head_*` in degrees."""
    frame_rate: Fraction
    channels: tuple[str, ...] = CHANNELS
    visemes: VisemeTrack = field(default=VisemeTrack())

    def __post_init__(self):
        if self.values.ndim != 2 or self.values.shape[1] != len(self.channels):
            raise ValueError(f"values must have shape (frames, {len(self.channels)}), got {self.values.shape}")
        if not np.isfinite(self.values).all():
            raise ValueError("The motion holds values that are not numbers (NaN or infinite); make it again.")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, frames: slice | np.ndarray) -> MouthMotion:
        return replace(self, values=self.values[frames])

    def channel(self, name: str) -> np.ndarray:
        """(T,) values of one channel; zeros when this motion does not have it."""
        if name not in self.channels:
            return np.zeros(len(self), np.float32)
        return self.values[:, self.channels.index(name)]

    def with_channels(self, **channels: np.ndarray | float) -> MouthMotion:
        """The same motion with these channels in place of its own; those that it does not have are added."""
        names = self.channels + tuple(name for name in channels if name not in self.channels)
        columns = [channels.get(name, self.channel(name)) for name in names]
        values = np.stack([np.broadcast_to(column, len(self)) for column in columns], axis=1).astype(np.float32)
        return replace(self, values=values, channels=names)

    @classmethod
    def from_channels(cls, frame_rate: Fraction, length: int, **channels: np.ndarray | float) -> MouthMotion:
        """A motion of all `CHANNELS`; those not given rest at 0."""
        unknown = sorted(set(channels) - set(CHANNELS))
        if unknown:
            raise ValueError(f"no channel named {', '.join(unknown)}; the channels are {', '.join(CHANNELS)}.")
        values = np.zeros((length, len(CHANNELS)), np.float32)
        for name, value in channels.items():
            values[:, CHANNELS.index(name)] = value
        return cls(values, Fraction(frame_rate))

    def resampled(self, frame_rate: Fraction, length: int) -> MouthMotion:
        """The same movement in time at another rate, `length` frames long; past the end the mouth is at rest."""
        frame_rate = Fraction(frame_rate)
        if frame_rate == self.frame_rate and length == len(self):
            return self
        at = np.arange(length) * float(self.frame_rate / frame_rate)
        source = np.arange(len(self) + 1)
        rest = np.vstack([self.values, np.zeros((1, len(self.channels)), np.float32)])
        values = np.stack([np.interp(at, source, column) for column in rest.T], axis=1).astype(np.float32)
        if "mouth_close" in self.channels:
            # lips that meet for one frame are not seen to meet between two others
            close = self.channels.index("mouth_close")
            met = np.flatnonzero(self.values[:, close] == 1)
            nearest = np.array([round(frame * frame_rate / self.frame_rate) for frame in met.tolist()], int)
            values[nearest[nearest < length], close] = 1
        return replace(self, values=values, frame_rate=frame_rate)

    def eased(self, share: np.ndarray) -> MouthMotion:
        """The same movement brought towards rest: (T,) of [0, 1], where 0 is at rest."""
        return replace(self, values=(self.values * share[:, None]).astype(np.float32))

    def __str__(self) -> str:
        """What ComfyUI's Preview as Text shows."""
        return self.to_json()

    def to_json(self) -> str:
        cues = [{"start": cue.start, "end": cue.end, "viseme": cue.viseme} for cue in self.visemes.cues]
        visemes = {"cues": cues, "text": self.visemes.text}
        if self.visemes.words:
            visemes["words"] = [{"start": start, "end": end, "text": text} for start, end, text in self.visemes.words]
        return json.dumps(
            {
                "version": 1,
                "frame_rate": str(self.frame_rate),
                "channels": list(self.channels),
                "values": np.round(self.values.astype(float), 4).tolist(),
                "visemes": visemes,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> MouthMotion:
        """Read MOTION.json.

        Raises:
            FormatError: naming the field that is wrong.
        """
        document = load_document(text, "motion")
        rate = to_frame_rate(get_field(document, "frame_rate", object, "motion"))
        channels = tuple(get_field(document, "channels", list, "motion"))
        if not channels or any(name not in CHANNELS or channels.count(name) > 1 for name in channels):
            raise FormatError(
                f"motion.channels must be distinct names of {', '.join(CHANNELS)}; got {str(list(channels))[:80]}."
            )
        values = to_array(get_field(document, "values", list, "motion"), (None, len(channels)), "motion.values")
        if len(values) / rate > LONGEST:
            raise FormatError(f"motion must last at most {LONGEST:g} s, got {len(values)} frames at {rate} per second.")
        for index, name in enumerate(channels):
            low, high = (-HEAD_LIMIT, HEAD_LIMIT) if name.startswith("head_") else (0.0, 1.0)
            column = values[:, index]
            if column.size and (column.min() < low or column.max() > high):
                raise FormatError(f"motion channel {name} must stay within [{low:g}, {high:g}].")
        return cls(values, rate, channels, _visemes_from_json(document.get("visemes") or {}))


def _visemes_from_json(document) -> VisemeTrack:
    if not isinstance(document, dict):
        raise FormatError(f"motion.visemes must be an object, got {type(document).__name__}.")
    text = document.get("text")
    if text is not None and not isinstance(text, str):
        raise FormatError(f"motion.visemes.text must be text, got {type(text).__name__}.")
    cues = []
    for index, cue in enumerate(get_field(document, "cues", list, "motion.visemes") if "cues" in document else []):
        where = f"motion.visemes.cues[{index}]"
        if not isinstance(cue, dict) or not isinstance(cue.get("viseme"), str):
            raise FormatError(f"{where} must be {{start, end, viseme}}, the viseme as text.")
        cues.append(Cue(to_number(cue.get("start"), where), to_number(cue.get("end"), where), cue["viseme"]))
    words = []
    for index, word in enumerate(get_field(document, "words", list, "motion.visemes") if "words" in document else []):
        where = f"motion.visemes.words[{index}]"
        if not isinstance(word, dict) or not isinstance(word.get("text"), str):
            raise FormatError(f"{where} must be {{start, end, text}}, the word as text.")
        words.append((to_number(word.get("start"), where), to_number(word.get("end"), where), word["text"]))
    return VisemeTrack(tuple(cues), text, tuple(words))


def _runs(mask: np.ndarray) -> list[list[int]]:
    """[first, last] of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [[int(first), int(stop) - 1] for first, stop in edges.reshape(-1, 2)]


def _track_from_json(face: dict, index: int, frames: int) -> FaceTrack:
    where = f"faces[{index}]"
    schema = face.get("schema", "animal9")
    if not isinstance(schema, str) or schema not in SCHEMAS:
        raise FormatError(f"{where}.schema must be one of {', '.join(SCHEMAS)}, got {str(schema)[:40]!r}.")
    points = to_array(
        get_field(face, "keypoints", list, where), (None, len(SCHEMAS[schema].names), 3), f"{where}.keypoints"
    )
    boxes = to_array(get_field(face, "boxes", list, where), (len(points), 4), f"{where}.boxes")
    listed = to_array(get_field(face, "frames", list, where), (len(points),), f"{where}.frames")
    if not len(points):
        raise FormatError(f"{where} lists no frame.")
    if (np.diff(listed) <= 0).any() or listed[0] < 0 or listed[-1] >= frames or (listed % 1).any():
        raise FormatError(f"{where}.frames must be increasing whole numbers from 0 to {frames - 1}.")
    score = points[..., 2]
    if score.min() < 0 or score.max() > 1:
        raise FormatError(f"{where}.keypoints: the third number of a point is its score, from 0 to 1.")

    at = np.arange(frames)
    if len(listed) == 1 or face.get("follow") is True:
        visible = np.ones(frames, bool)
    else:
        visible = (at >= listed[0]) & (at <= listed[-1])
    for first, last in np.clip(to_array(face.get("hidden") or [], (None, 2), f"{where}.hidden"), -1, frames):
        visible[max(0, math.ceil(first)) : math.floor(last) + 1] = False
    rows = np.concatenate([boxes, points.reshape(len(points), -1)], axis=1)
    rows = np.stack([np.interp(at, listed, column) for column in rows.T], axis=1).astype(np.float32)
    keypoints = rows[:, 4:].reshape(frames, -1, 3)
    species = face.get("species", "unknown")
    if not isinstance(species, str):
        raise FormatError(f"{where}.species must be text, got {type(species).__name__}.")
    return FaceTrack(rows[:, :4], keypoints[..., :2].copy(), keypoints[..., 2].copy(), visible, species, schema)
