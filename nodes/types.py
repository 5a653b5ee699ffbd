"""The pack's own sockets, and the only conversions between ComfyUI's values and the library's.

ANIMAL_FACES  `Faces`: every animal of one picture or video.
ANIMAL_FACE   `Faces` with exactly one track: the animal that speaks.
MOUTH_MOTION  `MouthMotion`.
VISEME_TRACK  `VisemeTrack`: what is said when.
FACE_LANDMARKS  filmed faces, of core's Detect Face Landmarks (MediaPipe).
MOUTH_STITCH  `MouthStitch` (crop.py).
SPEECH_FEATURES  `SpeechFeatures`: a voice as Whisper hears it.
PREPARED_ANIMAL  `PreparedAnimal`.
PET_DATASET  `PetDataset`: pieces of one pet's clips to train on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
import torch
from comfy_api.latest import io

from ..animal_lipsync.clip import Clip
from ..animal_lipsync.documents import FASTEST, LARGEST, SLOWEST
from ..animal_lipsync.found_heads import Found
from ..animal_lipsync.image import fingerprint, to_frames, to_pixels
from ..animal_lipsync.types import Audio, Faces, FaceTrack

CATEGORY = "Animal Lip-Sync"

AnimalFaces = io.Custom("ANIMAL_FACES")
AnimalFace = io.Custom("ANIMAL_FACE")
Motion = io.Custom("MOUTH_MOTION")
Visemes = io.Custom("VISEME_TRACK")
FaceLandmarks = io.Custom("FACE_LANDMARKS")
Stitch = io.Custom("MOUTH_STITCH")
Features = io.Custom("SPEECH_FEATURES")
Prepared = io.Custom("PREPARED_ANIMAL")
Dataset = io.Custom("PET_DATASET")


def to_audio(voice: dict | None) -> Audio:
    """The library's `Audio` of an AUDIO value, whose `waveform` is (B, C, S).

    Raises:
        ValueError: there is no sound but e.g. the name of a file, or more than one recording.
    """
    if voice is None or isinstance(voice, str):
        raise ValueError("The voice is empty: what it comes from has no sound. Connect a recording, e.g. Load Audio.")
    if len(voice["waveform"]) != 1:
        raise ValueError(f"The voice holds {len(voice['waveform'])} recordings; connect one.")
    return Audio(voice["waveform"][0].float().cpu().numpy(), voice["sample_rate"])


def from_audio(audio: Audio) -> dict:
    return {"waveform": torch.from_numpy(audio.waveform)[None], "sample_rate": audio.sample_rate}


def to_rate(frame_rate: float) -> Fraction:
    """Frames per second as a fraction: 29.97002997 is 30000/1001.

    Raises:
        ValueError: it is none, as NaN, which ComfyUI lets through.
    """
    if not SLOWEST <= frame_rate <= FASTEST:
        raise ValueError(f"frame_rate must lie between {SLOWEST} and {FASTEST} frames a second, got {frame_rate}.")
    return Fraction(frame_rate).limit_denominator(1001)


def to_pixel_frames(images: torch.Tensor, indices) -> Iterator[np.ndarray]:
    """uint8 (H, W, 3) of each of these pictures of an IMAGE (B, H, W, C)."""
    for index in indices:
        yield to_pixels(images[index : index + 1, :, :, :3].movedim(-1, 1))[0]


def to_image(frames: Iterable[np.ndarray], count: int) -> torch.Tensor:
    """IMAGE (count, H, W, C) of uint8 (H, W, 3) frames of one size."""
    images = None
    for index, frame in enumerate(frames):
        if images is None:
            images = torch.empty(count, *frame.shape)
        images[index] = to_frames(frame[None])[0].movedim(0, -1)
    return images


def chosen(track: FaceTrack, clip: Clip, scores: tuple[float, ...] = ()) -> Faces:
    """The value of ANIMAL_FACE: one track in the pixels of `clip`, at its frames or, of length 1, for all of them.

    Args:
        scores: of the face, where it was found.
    """
    rate = clip.frame_rate if len(track) > 1 else Fraction(0)
    return Faces(clip.width, clip.height, rate, len(track), (track,), scores, fingerprint(next(clip.read(1))))


def to_boxes(boxes) -> list[Found]:
    """Heads per frame of a BOUNDING_BOX value: one box, a list of boxes for all frames, or a list per frame.

    Raises:
        ValueError: it is none of these, or a box lies inside out or nowhere.
    """
    frames = [[boxes]] if isinstance(boxes, dict) else boxes
    frames = [frames] if frames and isinstance(frames[0], dict) else frames
    try:
        found = [
            Found(
                np.array([[b["x"], b["y"], b["x"] + b["width"], b["y"] + b["height"]] for b in row], float).reshape(
                    -1, 4
                ),
                np.array([b.get("score", 1.0) for b in row], float),
                tuple(str(b.get("label") or "").split(" ")[0].lower() for b in row),
            )
            for row in frames
        ]
    except (TypeError, KeyError, AttributeError, ValueError):
        raise ValueError("boxes must hold x, y, width and height of each animal, as detectors give them.") from None
    for x1, y1, x2, y2 in np.concatenate([heads.boxes for heads in found]) if found else ():
        if not (-LARGEST <= x1 <= x2 <= LARGEST and -LARGEST <= y1 <= y2 <= LARGEST):
            raise ValueError(f"A box from {x1:g}, {y1:g} to {x2:g}, {y2:g} lies nowhere; give x, y, width and height.")
    return found


def boxes_of(found: Found) -> list[dict]:
    """What a detector found in one frame, as BOUNDING_BOX lists it."""
    corners = np.round(found.boxes).astype(int).tolist()
    return [
        {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "label": label or "unknown", "score": round(score, 3)}
        for (x1, y1, x2, y2), label, score in zip(corners, found.species, found.scores.tolist(), strict=True)
    ]


def from_boxes(faces: Faces, frame: int | None = None) -> list:
    """The BOUNDING_BOX value of faces: boxes of those seen, a list per frame; or of one frame, all of them."""
    if frame is None:
        return [
            [box for box, track in zip(from_boxes(faces, t), faces.tracks, strict=True) if track.visible[t]]
            for t in range(faces.frames)
        ]
    rows = [track.boxes[min(frame, len(track) - 1)] for track in faces.tracks]
    scores = np.array(faces.scores or (1.0,) * len(rows))
    return boxes_of(Found(np.array(rows).reshape(-1, 4), scores, tuple(track.species for track in faces.tracks)))
