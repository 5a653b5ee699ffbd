"""What a pet's mouth is trained on: pieces of clips and pictures, cut to what the painting network sees and a margin.

A dataset is a folder: `dataset.json` says what was kept and dropped, `pieces/NAME.safetensors` holds what was kept.
Knows nothing of how the pieces are found (`pet_clips.py`) or used (`pairs.py`).
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .crop import cut_mouth
from .files import replacing
from .image import to_frames, to_pixels
from .lower_face import place_lower_face
from .musetalk import SIZE
from .types import Audio, Faces, FaceTrack, FormatError

OPENING = 0.6
"""How far a jaw may come down within a crop, as `jaw_open`."""
MARGIN = 1.25
"""Side of a crop in those of the square that the network sees; the rest is there to be turned and shifted into."""
CROP = round(MARGIN * SIZE)
"""Pixels of a crop's side."""
SAMPLE_RATE = 16_000
"""Hz of a piece's sound."""
QUALITY = 95
"""Of the JPEG that a crop is kept as, colours in full resolution."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some seconds of one animal, or a picture of it as a single frame."""

    origin: str
    """The file it was cut from, relative to the folder of clips."""
    start: float
    """Seconds into that file."""
    frame_rate: Fraction
    """0 of a picture."""
    pictures: tuple[bytes, ...]
    """Each frame's crop as JPEG, `CROP` pixels square."""
    face: FaceTrack
    """Of as many frames, in the pixels of the crops."""
    opening: np.ndarray
    """(N,) float32 of the mouth as `openness` sees it, half widths of the mouth."""
    sound: Audio | None = None
    """Mono at `SAMPLE_RATE`; None of a picture and of what has no sound."""

    def __len__(self) -> int:
        return len(self.pictures)

    def crop(self, frame: int) -> Tensor:
        """(3, CROP, CROP) float32 sRGB in [0, 1]."""
        return to_frames(np.asarray(Image.open(io.BytesIO(self.pictures[frame])))[None])[0]

    def save(self, path: str | os.PathLike) -> None:
        """Write it as safetensors, complete or not at all.

        Raises:
            OSError: there is no room for it.
        """
        faces = Faces(CROP, CROP, self.frame_rate, len(self), (self.face,))
        tensors = {
            "pictures": torch.frombuffer(bytearray(b"".join(self.pictures)), dtype=torch.uint8),
            "lengths": torch.tensor([len(picture) for picture in self.pictures]),
            "opening": torch.from_numpy(self.opening.astype(np.float32)),
        }
        if self.sound:
            tensors["sound"] = torch.from_numpy(self.sound.waveform[0].astype(np.float32))
        told = {"version": "1", "origin": self.origin, "start": repr(self.start), "faces": faces.to_json()}
        with replacing(path) as partial:
            save_file(tensors, partial, metadata=told)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Piece:
        """Read what `save` wrote.

        Raises:
            FormatError: the file is missing, damaged or something else.
        """
        try:
            with safe_open(path, "pt") as file:
                told = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
            if told.get("version") != "1":
                raise ValueError("it holds something else")
            faces = Faces.from_json(told["faces"])
            ends = np.cumsum(tensors["lengths"].numpy())
            joined = tensors["pictures"].numpy().tobytes()
            pictures = tuple(joined[end - size : end] for end, size in zip(ends, tensors["lengths"], strict=True))
            sound = Audio(tensors["sound"].numpy()[None], SAMPLE_RATE) if "sound" in tensors else None
            opening = tensors["opening"].numpy()
            if not len(pictures) == len(opening) == faces.frames or len(faces.tracks) != 1:
                raise ValueError("its parts do not belong together")
            origin, start = told["origin"], float(told["start"])
            return cls(origin, start, faces.frame_rate, pictures, faces.tracks[0], opening, sound)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise FormatError(f"{path} is no piece of a dataset ({error}); prepare the clips again.") from None


def cut_faces(frames: Tensor, face: FaceTrack) -> tuple[tuple[bytes, ...], FaceTrack]:
    """What a `Piece` keeps of frames: JPEGs, and the face in their pixels.

    Args:
        frames: (N, 3, H, W) float32 sRGB in [0, 1].
        face: N frames in the same pixels, without trembling (`lower_face.calm`).
    """
    square = place_lower_face(face, drop=OPENING)
    crop = replace(square, side=MARGIN * square.side, size=CROP)
    crops = to_pixels(torch.cat([cut_mouth(frames[row : row + 1], crop[row : row + 1]) for row in range(len(face))]))
    corners = face.boxes[:, [[0, 1], [0, 3], [2, 1], [2, 3]]]
    inside = crop.to_crop(corners.astype(float))
    boxes = np.concatenate([inside.min(1), inside.max(1)], 1)
    keypoints = crop.to_crop(face.keypoints.astype(float))
    cut = replace(face, boxes=boxes.astype(np.float32), keypoints=keypoints.astype(np.float32))
    return tuple(map(_to_jpeg, crops)), cut


def _to_jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()
