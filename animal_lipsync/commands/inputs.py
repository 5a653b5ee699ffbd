"""What the options of a command point at: texts, faces, a voice's motion; and the texts that a command writes."""

from __future__ import annotations

import argparse
import logging
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from ..cache import FaceCache, default_folder
from ..clip import Clip
from ..finding import describe, find_faces
from ..keeping import Keeper
from ..table import read_faces
from ..types import Audio, Faces, FaceTrack, FormatError, MouthMotion

logger = logging.getLogger(__name__)

Document = TypeVar("Document", Faces, MouthMotion)


def spoken(options: argparse.Namespace, frame_rate: Fraction, species: str) -> tuple[str | Audio | None, MouthMotion]:
    """The voice that `voice_options` call for, and the motion of a head that says it."""
    from ..articulation import Mouth
    from ..audio import read_audio
    from ..blinks import add_blinks
    from ..formats import read_motion
    from ..head import nod
    from ..motion import speech_to_motion
    from ..speech import speak_text

    voice, mouth = options.voice, Mouth(options.style, options.strength, species)
    language = options.language or "en-us"
    if options.motion:
        try:
            motion = read_motion(read_text(options.motion), frame_rate, mouth=mouth)
        except FormatError as error:
            raise FormatError(f"{options.motion}: {error}") from None
    elif options.text is not None:
        speed = 160 if options.speed is None else options.speed
        pitch = 50 if options.pitch is None else options.pitch
        voice, motion = speak_text(
            options.text, frame_rate, language=language, words_per_minute=speed, pitch=pitch, mouth=mouth
        )
    else:
        transcript = read_text(options.transcript) if options.transcript else None
        motion = speech_to_motion(
            read_audio(voice),
            frame_rate,
            transcript=transcript,
            language=language,
            recognise=options.recognise,
            mouth=mouth,
        )
    motion = nod(motion, options.nod, variation=options.variation)
    return voice, add_blinks(motion, options.blinks, variation=options.variation)


def chosen_face(clip: Clip, options: argparse.Namespace) -> FaceTrack:
    return face_of(clip, options.keypoints, options.face, options.min_score, options.speaker, face_cache(options))


def face_of(
    clip: Clip,
    keypoints: str | None,
    number: int,
    min_score: float,
    speaker: str = "prominent",
    cache: FaceCache | None = None,
) -> FaceTrack:
    from ..speaker import choose_face

    faces = read_faces_file(keypoints) if keypoints else detect(clip, min_score, cache)
    if not clip.shows(faces):
        raise ValueError(
            f"{keypoints} was made for another picture or clip. Make one for this with detect -o, or leave it out."
        )
    index = choose_face(faces, number, speaker)
    for line in describe(faces, index):
        logger.info(line)
    return clip.face(faces, index)


def face_cache(options: argparse.Namespace) -> FaceCache | None:
    return None if options.no_cache else FaceCache(options.cache or default_folder())


def keeper(options: argparse.Namespace, noun: str) -> Keeper | None:
    """Of files of features or latents, beside the faces."""
    if options.no_cache:
        return None
    folder = Path(options.cache) if options.cache else default_folder().parent
    return Keeper(folder / noun, ".safetensors", noun=noun)


def detect(clip: Clip, min_score: float, cache: FaceCache | None) -> Faces:
    if clip.frames > 1:
        logger.info("Looking for the face in %d frames", clip.frames)
    return find_faces(clip, min_score=min_score, cache=cache)


def read_faces_file(path: str) -> Faces:
    try:
        return read_faces(read_text(path))
    except FormatError as error:
        raise FormatError(f"{path}: {error} Such files come of detect -o.") from None


def read_document(path: str, kind: type[Document]) -> Document:
    try:
        return kind.from_json(read_text(path))
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file in UTF-8; save it as one, or check the name.") from None
    except OSError as error:
        raise ValueError(f"Cannot read {path} ({error.strerror}); check the name.") from None
