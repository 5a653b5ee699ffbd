"""Where the animals of a source are: asked once, remembered in ComfyUI's user folder; and what is said of them."""

from __future__ import annotations

import logging
from pathlib import Path

import folder_paths
from server import PromptServer

from ..animal_lipsync.cache import FaceCache
from ..animal_lipsync.clip import Clip
from ..animal_lipsync.finding import describe, find_faces
from ..animal_lipsync.speaker import choose_face, nothing_found
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


def tell(node, faces: Faces, speaker: int | None = None) -> list[str]:
    """What was found, shown on the node; it asks for `io.Hidden.unique_id`."""
    lines = describe(faces, speaker) if faces.tracks else [nothing_found(faces)]
    PromptServer.instance.send_progress_text("\n".join(lines), node.hidden.unique_id)
    return lines
