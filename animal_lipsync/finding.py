"""Every animal face of a picture or clip: the one way in, for the nodes and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np

from .cache import FaceCache, face_key
from .clip import Clip
from .image import fingerprint
from .schemas import LOWER_LIP, UPPER_LIP
from .speaker import LEAST, left_to_right
from .tracking import track_faces
from .types import Faces, FaceTrack

if TYPE_CHECKING:
    from .found_heads import Finder, Found, Pose

SURE = 0.5
"""Score of a face below which its points had better be looked at."""

SURE_OF_MOUTH = 0.65
"""The same for where its lips meet."""


def find_faces(
    clip: Clip,
    *,
    min_score: float = 0.3,
    cache: FaceCache | None = None,
    frames: Iterable[np.ndarray] | None = None,
) -> Faces:
    """The animals of `clip` from left to right, in its pixels and at its frames; none is a fact, not an error.

    Args:
        min_score: lower it for faces that are small, dark or turned away.
        cache: where what was found before is kept.
        frames: those of `clip`, when something counts them as they are read.

    Raises:
        ValueError: `min_score` is no share.
    """
    if not 0 <= min_score <= 1:
        raise ValueError(f"min_score must lie between 0 and 1, got {min_score}.")
    key = cache and face_key(clip, min_score)
    if cache and (known := cache.get(key)):
        return known
    # only here, so that what is known already needs no torch
    from .detection import detect_faces
    from .following import follow_faces

    frames = clip.read(clip.frames) if frames is None else frames
    if clip.frames == 1:
        faces = detect_faces(next(iter(frames)), min_score=LEAST)
        best = max(faces.scores, default=0.0)
        order = [i for i in left_to_right(faces.tracks) if faces.scores[i] >= min_score]
        tracks, scores = (tuple(values[i] for i in order) for values in (faces.tracks, faces.scores))
        faces = replace(faces, tracks=tracks, scores=scores, best_candidate=(best, 0))
    else:
        faces = track_faces(follow_faces(frames, min_score=min_score), clip.frame_rate)
    faces = replace(faces, picture=fingerprint(next(clip.read(1))))
    if cache:
        cache.put(key, faces)
    return faces


def faces_in_boxes(
    clip: Clip,
    heads: Found,
    frame: int = 0,
    *,
    pose: Pose | None = None,
    frames: Iterable[np.ndarray] | None = None,
) -> Faces:
    """The faces of heads that are boxed in one frame of `clip`, followed through all of it; of any animal.

    Where the networks do not know the animal, its points are put where they usually lie and have score 0.

    Args:
        pose: says where points of such animals are, e.g. `prompted.AnimalPose`.
        frames: `following.out_and_back(clip, frame)` for each head, when something counts them as they are read.
    """
    from .following import follow_face, out_and_back
    from .found_heads import place_heads

    placed = place_heads(next(clip.read_from(frame)), heads, pose=pose).to_faces()
    tracks = placed.tracks
    if clip.frames > 1:
        frames = iter(chain.from_iterable(out_and_back(clip, frame) for _ in tracks) if frames is None else frames)
        tracks = tuple(follow_face(clip, face, frame, frames=islice(frames, clip.frames)) for face in tracks)
    return _numbered(clip, tracks, placed.scores)


def faces_by(clip: Clip, finder: Finder, *, frames: Iterable[np.ndarray] | None = None) -> Faces:
    """The faces of heads that `finder` says there are, in the frames in which it is asked; of any animal."""
    from .following import follow_faces
    from .found_heads import place_heads

    frames = clip.read(clip.frames) if frames is None else frames
    if clip.frames == 1:
        pixels = next(iter(frames))
        placed = place_heads(pixels, finder(0, pixels)).to_faces()
        return _numbered(clip, placed.tracks, placed.scores)
    faces = track_faces(follow_faces(frames, finder=finder), clip.frame_rate, min_seen=1)
    return replace(faces, picture=fingerprint(next(clip.read(1))))


def boxes_of_masks(masks: np.ndarray, width: int, height: int) -> np.ndarray:
    """(N, 4) what is above a half in each of (N, h, w) masks, in pixels of a picture of this size; NaN: nothing."""
    boxes = np.full((len(masks), 4), np.nan)
    for box, mask in zip(boxes, masks > 0.5, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes * np.tile([width / masks.shape[2], height / masks.shape[1]], 2)


def _numbered(clip: Clip, tracks: Sequence[FaceTrack], scores: Sequence[float]) -> Faces:
    order = left_to_right(tracks)
    rate = clip.frame_rate if clip.frames > 1 else Fraction(0)
    return Faces(
        clip.width,
        clip.height,
        rate,
        clip.frames,
        tuple(tracks[i] for i in order),
        tuple(scores[i] for i in order),
        fingerprint(next(clip.read(1))),
    )


def describe(faces: Faces, speaker: int | None = None) -> list[str]:
    """What was found, in sentences for the artist: first what had better be looked at, then who is there and speaks."""
    lines = []
    for i, score in enumerate(faces.scores):
        if speaker not in (None, i):
            continue
        track = faces.tracks[i]
        lips = track.keypoints[:, [UPPER_LIP, LOWER_LIP]]
        is_inside = ((lips >= 0) & (lips <= (faces.width, faces.height))).all((1, 2))
        sure = np.where(is_inside, track.mouth_score, 0)
        doubtful = track.visible & (sure < SURE_OF_MOUTH)
        if score < SURE:
            lines.append(f"Not sure about face {i} ({score:.2f}): look at its points.")
        elif doubtful.any():
            worst = int(np.where(doubtful, sure, 1).argmin())
            where = f" in {doubtful.sum()} of {len(track)} frames, least in frame {worst}" if len(track) > 1 else ""
            lines.append(f"Not sure where the mouth of face {i} is{where} ({sure[worst]:.2f}): look at its points.")
    names = [f"{i} {track.species}" for i, track in enumerate(faces.tracks)]
    if faces.scores:
        names = [f"{name} ({score:.2f})" for name, score in zip(names, faces.scores, strict=True)]
    if len(names) == 1:
        return [*lines, f"Face {names[0]}."]
    count = f"{len(names)} faces" if speaker is None else f"Face {speaker} speaks, of {len(names)}"
    return [*lines, f"{count}, from left to right: {', '.join(names)}."]
