"""Where the animals of a source are: asked once, remembered in ComfyUI's user folder."""

from __future__ import annotations

import logging
from pathlib import Path

import folder_paths

from ..animal_lipsync.cache import FaceCache
from ..animal_lipsync.clip import Clip
from ..animal_lipsync.finding import find_faces
from ..animal_lipsync.speaker import choose_face
from ..animal_lipsync.types import Faces, FaceTrack
from .inputs import MIN_SCORE
from .media import with_progress

logger = logging.getLogger(__name__)


def faces_of(clip: Clip, keypoints: Faces | None, min_score: float = MIN_SCORE) -> Faces:
    """The animals in `clip`: `keypoints`, or when none were set on it, what is found."""
    if keypoints is not None and clip.shows(keypoints):
        return keypoints
    if keypoints is not None:
        logger.warning("The keypoints were set on another picture or clip; the face is looked for in this one.")
    cache = FaceCache(Path(folder_paths.get_user_directory()) / "animal-lipsync" / "faces")
    frames = with_progress(clip.read(clip.frames), clip.frames)
    return find_faces(clip, min_score=min_score, cache=cache, frames=frames)


def find_face(
    clip: Clip, keypoints: Faces | None, face: int = 0, min_score: float = MIN_SCORE, speaker: str = "prominent"
) -> FaceTrack:
    """One animal's track in `clip`, out of `keypoints` or, when none were set on it, found by the detector."""
    faces = faces_of(clip, keypoints, min_score)
    return clip.face(faces, choose_face(faces, face, speaker))
