"""What the options of a command point at: texts, faces, a voice's motion; and the texts that a command writes."""

from __future__ import annotations

import argparse
import logging
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

from ..clip import Clip
from ..types import Faces, FaceTrack, MouthMotion

logger = logging.getLogger(__name__)


def heard_motion(options: argparse.Namespace, frame_rate: Fraction) -> MouthMotion:
    from ..animate import voice_motion

    transcript = read_text(options.transcript) if options.transcript else None
    return voice_motion(options.voice, frame_rate, transcript=transcript, language=options.language)


def chosen_face(clip: Clip, options: argparse.Namespace) -> FaceTrack:
    return face_of(clip, options.keypoints, options.face, options.min_score)


def face_of(clip: Clip, keypoints: str | None, number: int, min_score: float) -> FaceTrack:
    from ..speaker import choose_face

    faces = Faces.from_json(read_text(keypoints)) if keypoints else detect(clip, min_score)
    if not clip.shows(faces):
        raise ValueError(
            f"{keypoints} was made for another picture or clip. Make one for this with detect -o, or leave it out."
        )
    return clip.face(faces, choose_face(faces, number))


def detect(clip: Clip, min_score: float) -> Faces:
    from ..finding import doubts, find_faces

    if clip.frames > 1:
        logger.info("Looking for the face in %d frames", clip.frames)
    faces = find_faces(clip, min_score=min_score)
    for doubt in doubts(faces):
        logger.warning(doubt)
    return faces


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
