"""What the options of a command point at: texts, faces, a voice's motion; and the texts that a command writes."""

from __future__ import annotations

import argparse
import logging
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

from ..clip import Clip
from ..types import Faces, FaceTrack, MouthMotion

logger = logging.getLogger(__name__)

SURE = 0.5
"""Score of a face below which its points had better be looked at."""


def heard_motion(options: argparse.Namespace, frame_rate: Fraction) -> MouthMotion:
    from ..animate import voice_motion

    transcript = read_text(options.transcript) if options.transcript else None
    return voice_motion(options.voice, frame_rate, transcript=transcript, language=options.language)


def chosen_face(clip: Clip, options: argparse.Namespace) -> FaceTrack:
    return face_of(clip, options.keypoints, options.face, options.min_score)


def face_of(clip: Clip, keypoints: str | None, index: int, min_score: float) -> FaceTrack:
    from ..tracking import choose_face

    faces = Faces.from_json(read_text(keypoints)) if keypoints else detect(clip, min_score)
    if not clip.shows(faces):
        raise ValueError(
            f"{keypoints} was made for another picture or clip. Make one for this with detect -o, or leave it out."
        )
    choose_face(faces, index)
    return clip.face(faces, index)


def detect(clip: Clip, min_score: float) -> Faces:
    from ..detection import detect_faces, detect_video
    from ..image import fingerprint
    from ..tracking import track_faces

    if clip.frames == 1:
        faces = detect_faces(next(clip.read(1)), min_score=min_score)
    else:
        logger.info("Looking for the face in %d frames", clip.frames)
        faces = track_faces(detect_video(clip.read(clip.frames), min_score=min_score), frame_rate=clip.frame_rate)
    if faces.scores and faces.scores[0] < SURE:
        logger.warning(
            "Not sure about this face (%.2f, taken for a %s): check its points with detect --draw.",
            faces.scores[0],
            faces.tracks[0].species,
        )
    return replace(faces, picture=fingerprint(next(clip.read(1))))


def read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file.") from None
    except OSError as error:
        raise ValueError(f"Cannot read {path} ({error.strerror}); check the name.") from None


def write_text(path: str, text: str) -> None:
    target = Path(path).resolve()
    # a device or pipe is written to; a file is replaced when the new one is whole
    is_stream = target.exists() and not target.is_file()
    partial = target if is_stream else target.with_name(f".{target.name[:80]}-{uuid4().hex[:8]}")
    try:
        partial.write_text(text)
        partial.replace(target)
    except OSError as error:
        raise ValueError(f"Cannot write {path} ({error.strerror}); check the folder and the free space.") from None
    finally:
        if not is_stream:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
