"""One clip or picture of a pet as pieces: followed, cut at silences, scenes and gaps, judged, and cropped.

A clip is read once. Its heads are followed in every third frame and held, with room around them, until the path of each
through some seconds is known; a frame is never needed again. Knows nothing of other clips (`pet_clips.py`).
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d, interpolate

from .audio import load_audio
from .dataset import SAMPLE_RATE, FramePart, Piece, cut_faces, place_face, to_jpeg
from .detection import detect_faces
from .finding import SURE
from .following import follow_faces
from .hearing import hear
from .identity import look_of_heads, mean_look
from .image import is_picture, read_picture, to_frames
from .lower_face import calm
from .openness import openness
from .sharpness import blurriness
from .silences import SHORTEST, cut_times, find_silences
from .tracking import Detections, track_faces
from .types import Audio, FaceTrack
from .video import Picture, probe, read_pictures

logger = logging.getLogger(__name__)

RATE = Fraction(25)
"""Frames per second of a piece."""
STEP = 3
"""Frames from one in which heads are followed to the next; `calm` evens out what moves faster."""
EVERY = 6
"""Of those, from one search of the whole picture to the next."""
SCALES = ((160,), (480,))
"""As `detection.SCALES`: one pet is looked for, so what is seen well hides what is smaller."""
LONGEST_SIDE = 1920
"""Pixels; larger frames are read this large."""
SMALLEST = 96
"""Pixels of the larger side of a head's box; a smaller head is a blur at the size that the network sees."""
LARGEST = 290
"""The same of a head as it is held: about what a crop shows of it."""
ROOM = np.array([-1.15, -0.85, 1.15, 1.0])
"""How far what is held of a head reaches from its middle to the left, up, right and down, in sides of its box: crops
lie in it though heads turn and jaws drop."""
BLURRED = 0.72
"""Of a crop at half its size, as `blurriness`: about what a blur by 4 of its pixels gives, in which lips are lost."""
CLEAR = 0.45
"""Mean score of the points of a face that is seen well enough: not from behind, not half hidden."""
LOOKS, LOOK_EVERY = 4, 1.0
"""Frames of a piece, at most, in which it is looked at who it is, and how sharp; and seconds between them."""
GLANCES, GLANCE = 5, 16
"""Frames by which pieces that show the same are known, and pixels of their sides."""
UNSEEN = "no animal is seen well enough"
THUMBNAIL = 128
"""Pixels of its side."""
BATCH = 16


@dataclass(frozen=True, eq=False)
class Finding:
    """Some seconds of a clip in which one animal is seen, or none; or a picture."""

    start: float
    """Seconds into the clip, as `end`."""
    end: float
    frames: int
    reason: str = ""
    """Why it is of no use, whatever else there is; empty otherwise."""
    piece: Piece | None = None
    """None with a reason."""
    look: np.ndarray | None = None
    """(128,) who it is: `identity.py`."""
    glances: np.ndarray | None = None
    """(5, 16, 16) uint8: the head, grey and small, at even distances in time."""
    thumbnail: bytes = b""
    """JPEG of the middle frame's crop; empty where no animal is seen."""


def cut_source(path: str | os.PathLike, origin: str) -> Iterator[tuple[Finding | None, float]]:
    """What a picture or clip shows, in the order in which it is known, and the share of the file that was read.

    Args:
        origin: what a `Piece` shall call the file.

    Raises:
        ValueError: the file is damaged or neither a picture nor a clip.
    """
    if is_picture(path):
        yield from _cut_picture(path, origin)
    else:
        yield from _cut_clip(path, origin)


def _cut_picture(path: str | os.PathLike, origin: str) -> Iterator[tuple[Finding, float]]:
    pixels = read_picture(path)
    faces = detect_faces(pixels)
    if not faces.tracks:
        yield Finding(0, 0, 1, UNSEEN), 1.0
    for face, score in zip(faces.tracks, faces.scores, strict=True):
        parts = [hold_head(pixels, face.boxes[0])]
        yield judge(face, parts, score, Piece(origin, 0.0, Fraction(0), (), face, np.zeros(0))), 1.0


def _cut_clip(path: str | os.PathLike, origin: str) -> Iterator[tuple[Finding | None, float]]:
    info = probe(path)
    count = info.frames_at(RATE)
    sound = _sound(path, count) if info.has_audio else None
    silences = find_silences(hear(sound)) if sound else []
    # whole steps, so that heads are followed in the frame at which a stretch ends and the next one starts
    cuts = [STEP * round(time * RATE / STEP) for time in cut_times(count / RATE, silences)]
    ends = iter([*cuts[:-1], count])
    held: deque[Picture] = deque()

    def followed() -> Iterator[np.ndarray]:
        for t, picture in enumerate(read_pictures(path, RATE, longest=LONGEST_SIDE)):
            held.append(picture)
            if t % STEP == 0:
                yield picture.pixels

    stretch, end, seen_anything = _Stretch(origin, 0), next(ends), np.zeros(count, bool)
    for step, seen in enumerate(follow_faces(followed(), every=EVERY, scales=SCALES)):
        if step * STEP == end:
            stretch.seen.append(seen)
            for finding in stretch.findings(sound, seen_anything):
                yield finding, end / count
            stretch, end = _Stretch(origin, end), next(ends)
            yield None, stretch.start / count
        stretch.seen.append(seen)
        for _ in range(min(STEP, len(held))):
            picture = held.popleft()
            stretch.parts.append([hold_head(picture, box) for box in seen.boxes])
    for finding in stretch.findings(sound, seen_anything):
        yield finding, 1.0
    for start, end in _runs(~seen_anything):
        if end - start >= SHORTEST * RATE:
            yield Finding(float(start / RATE), float(end / RATE), end - start, UNSEEN), 1.0


class _Stretch:
    """Some seconds of a clip, between two of its cuts, as they are read."""

    def __init__(self, origin: str, start: int):
        self.origin, self.start = origin, start
        self.seen: list[Detections] = []
        """In every `STEP`-th frame; in the first one after the stretch too, unless the clip is over."""
        self.parts: list[list[FramePart]] = []
        """Of every frame the heads seen in it."""

    def findings(self, sound: Audio | None, seen_anything: np.ndarray) -> Iterator[Finding]:
        """Each run of frames in which one animal is seen; `seen_anything` becomes True there."""
        faces = track_faces(self.seen, RATE / STEP)
        for track, score in zip(faces.tracks, faces.scores, strict=True):
            face = at_every_frame(track, len(self.parts))
            for first, last in _runs(face.visible):
                start = self.start + first
                seen_anything[start : self.start + last] = True
                rows = face[first:last]
                middles = (rows.boxes[:, :2] + rows.boxes[:, 2:]) / 2
                parts = [_nearest(heads, at) for heads, at in zip(self.parts[first:last], middles, strict=True)]
                voice = sound and _between(sound, start, self.start + last)
                piece = Piece(self.origin, float(start / RATE), RATE, (), calm(rows, RATE), np.zeros(0), voice)
                yield judge(rows, parts, score, piece)


def judge(face: FaceTrack, parts: list[FramePart], score: float, piece: Piece) -> Finding:
    """What becomes of an animal that is seen in some frames in a row.

    Args:
        face: where it is, in the pixels of the frames; `piece.face` is the same, calmed.
        parts: what is held of each frame.
        score: how sure it is that this is a face.
        piece: yet without its pictures.
    """
    crop, cut = place_face(piece.face)
    size = float(np.median((face.boxes[:, 2:] - face.boxes[:, :2]).max(1)))
    times = piece.start, piece.start + (len(face) / float(piece.frame_rate) if piece.frame_rate else 0)
    middle = len(parts) // 2
    thumbnail = next(cut_faces(parts[middle : middle + 1], crop[middle : middle + 1]))
    found = Finding(*times, len(face), thumbnail=_thumbnail(thumbnail))
    if piece.frame_rate and len(face) < SHORTEST * piece.frame_rate:
        return replace(found, reason=f"shorter than {SHORTEST} s")
    if size < SMALLEST:
        return replace(found, reason=f"the head is too small: {size:.0f} pixels, {SMALLEST} are needed")
    if score < SURE:
        return replace(found, reason=f"hardly like a head ({score:.2f})")
    looks = min(LOOKS, 1 + int((times[1] - times[0]) / LOOK_EVERY))
    some = ((np.arange(looks) + 0.5) / looks * len(parts)).astype(int)
    samples = to_frames(np.stack([next(cut_faces([parts[i]], crop[i : i + 1])) for i in some]))
    if blurriness(avg_pool2d(samples, 2)).median() > BLURRED:
        return replace(found, reason="blurred")
    looks = [look_of_heads(parts[i].pixels, _within(face.boxes[i], parts[i])[None])[0] for i in some]
    pictures, opening, glances = [], [], []
    looked_at = set(np.linspace(0, len(parts) - 1, GLANCES).round().astype(int).tolist())
    crops = cut_faces(parts, crop)
    for first in range(0, len(parts), BATCH):
        rows = [Image.fromarray(next(crops)) for _ in parts[first : first + BATCH]]
        pictures += [to_jpeg(np.asarray(row)) for row in rows]
        half = to_frames(np.stack([np.asarray(row.reduce(2)) for row in rows]))
        opening.append(openness(half, cut[first : first + len(rows)].scaled(0.5)).numpy())
        glances += [_glance(row) for i, row in enumerate(rows, first) if i in looked_at]
    glances += glances[-1:] * (GLANCES - len(glances))
    piece = replace(piece, pictures=tuple(pictures), face=cut, opening=np.concatenate(opening))
    return replace(found, piece=piece, look=mean_look(np.stack(looks)), glances=np.stack(glances))


def hold_head(frame: Picture | np.ndarray, box: np.ndarray) -> FramePart:
    """A head in its `box` (4,) and what is round it; a large head smaller.

    Args:
        frame: of a clip, or (H, W, 3) uint8.
    """
    size = frame.shape[1::-1] if isinstance(frame, np.ndarray) else frame.size
    side = float((box[2:] - box[:2]).max())
    middle = (box[:2] + box[2:]) / 2
    low, high = middle + side * ROOM[:2], middle + side * ROOM[2:]
    left, top = (int(np.clip(at, 0, length - 1)) for at, length in zip(low, size, strict=True))
    right, bottom = (int(np.clip(at, 0, length - 1)) + 1 for at, length in zip(high, size, strict=True))
    wanted = min(1.0, LARGEST / max(side, 1.0))
    if isinstance(frame, np.ndarray):
        pixels, x, y, scale = frame[top:bottom, left:right], left, top, 1.0
    else:
        pixels, x, y, scale = frame.part(left, top, right, bottom, scale=wanted)
    if wanted < scale:
        smaller = [max(1, round(length * wanted)) for length in pixels.shape[:2]]
        planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
        planes = interpolate(planes, size=smaller, mode="bilinear", antialias=True)  # four times as fast as Pillow
        pixels = planes[0].permute(1, 2, 0).numpy()
    return FramePart(np.ascontiguousarray(pixels), x, y, wanted)


def at_every_frame(track: FaceTrack, count: int) -> FaceTrack:
    """A track that was followed in every `STEP`-th of `count` frames; visible where clear at both ends of a step."""
    # a search tells how a head was seen since the one before
    unclear = np.pad(track.visible & (track.score.mean(1) < CLEAR), (0, EVERY))
    is_clear = track.visible & ~np.lib.stride_tricks.sliding_window_view(unclear, EVERY + 1).any(1)
    last = len(track) - 1
    at = np.minimum(np.arange(count) / STEP, last)
    before, share = np.floor(at).astype(int), at % 1
    after = np.minimum(before + 1, last)

    def blend(rows: np.ndarray) -> np.ndarray:
        weight = share.reshape(-1, *(1,) * (rows.ndim - 1))
        return (rows[before] * (1 - weight) + rows[after] * weight).astype(np.float32)

    return replace(
        track,
        boxes=blend(track.boxes),
        keypoints=blend(track.keypoints),
        score=blend(track.score),
        visible=is_clear[before] & (is_clear[after] | (share == 0)),
    )


def _sound(path: str | os.PathLike, count: int) -> Audio | None:
    """Of `count` frames, filled up with silence; None, and a warning, where it cannot be read."""
    try:
        sound = load_audio(path, sample_rate=SAMPLE_RATE, mono=True)
    except ValueError as error:
        logger.warning("%s is used without its sound: %s", path, error)
        return None
    return _between(sound, 0, count)


def _between(sound: Audio, first: int, last: int) -> Audio:
    """Of the frames from `first` up to `last`."""
    start, end = (round(frame * SAMPLE_RATE / RATE) for frame in (first, last))
    part = sound.waveform[:, start:end]
    return Audio(np.pad(part, ((0, 0), (0, end - start - part.shape[1]))), SAMPLE_RATE)


def _runs(is_true: np.ndarray) -> list[tuple[int, int]]:
    """(first, end) of each run of True in (T,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_true, [False]])))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _nearest(heads: list[FramePart], middle: np.ndarray) -> FramePart:
    """The one of `heads` in whose middle a head's (2,) lies best."""

    def distance(part: FramePart) -> float:
        height, width = part.pixels.shape[:2]
        return float(np.hypot(*(middle - (part.x + width / 2 / part.scale, part.y + height / 2 / part.scale))))

    return min(heads, key=distance)


def _within(box: np.ndarray, part: FramePart) -> np.ndarray:
    return (box - np.tile([part.x, part.y], 2)) * part.scale


def _thumbnail(crop: np.ndarray) -> bytes:
    return to_jpeg(np.asarray(Image.fromarray(crop).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)))


def _glance(crop: Image.Image) -> np.ndarray:
    return np.asarray(crop.convert("L").resize((GLANCE, GLANCE), Image.Resampling.BOX))
