"""Every animal face of a picture or clip: the one way in, for the nodes and the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from .cache import FaceCache, face_key
from .clip import Clip
from .image import fingerprint
from .speaker import left_to_right
from .tracking import track_faces
from .types import Faces

SURE = 0.5
"""Score of a face below which its points had better be looked at."""


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
    """
    key = cache and face_key(clip, min_score)
    if cache and (known := cache.get(key)):
        return known
    # only here, so that what is known already needs no torch
    from .detection import detect_faces
    from .following import follow_faces

    frames = clip.read(clip.frames) if frames is None else frames
    if clip.frames == 1:
        faces = detect_faces(next(iter(frames)), min_score=min_score)
        order = left_to_right(faces.tracks)
        tracks, scores = (tuple(values[i] for i in order) for values in (faces.tracks, faces.scores))
        faces = replace(faces, tracks=tracks, scores=scores)
    else:
        faces = track_faces(follow_faces(frames, min_score=min_score), clip.frame_rate)
    faces = replace(faces, picture=fingerprint(next(clip.read(1))))
    if cache:
        cache.put(key, faces)
    return faces


def doubts(faces: Faces) -> list[str]:
    """What to say of faces that had better be looked at, one sentence each."""
    return [
        f"Not sure about face {i} ({score:.2f}, taken for a {track.species}): look at its points before you go on."
        for i, (track, score) in enumerate(zip(faces.tracks, faces.scores, strict=False))
        if score < SURE
    ]
