"""What a pet's mouth is trained on: pieces of clips and pictures, cut to what the painting network sees and a margin.

A dataset is a folder: `dataset.json` says what was kept and dropped, `pieces/NAME.safetensors` holds what was kept.
Knows nothing of how the pieces are found (`pet_clips.py`) or used (`pairs.py`).
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .crop import MouthCrop
from .documents import get_field, load_document, to_array, to_number
from .files import write_text
from .head_crops import cut_frame
from .image import to_frames, to_pixels
from .lower_face import place_lower_face
from .musetalk import SIZE
from .tensors import write_tensors
from .types import Audio, Faces, FaceTrack, FormatError

OPENING = 0.6
"""How far a jaw may come down within a crop, as `jaw_open`."""
MARGIN = 1.25
"""Side of a crop in those of the square that the network sees; the rest is there to be turned and shifted into."""
CROP = round(MARGIN * SIZE)
"""Pixels of a crop's side."""
SAMPLE_RATE = 16_000
"""Hz of a piece's sound."""
DOCUMENT = "dataset.json"
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
        """(3, CROP, CROP) float32 sRGB in [0, 1].

        Raises:
            FormatError: the picture is damaged.
        """
        try:
            pixels = np.asarray(Image.open(io.BytesIO(self.pictures[frame])).convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise FormatError(f"A picture of {self.origin} is damaged ({error}); prepare the clips again.") from None
        return to_frames(pixels[None])[0]

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
        write_tensors(path, tensors, told)

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


class FramePart(NamedTuple):
    """A part of a frame, held in place of the whole."""

    pixels: np.ndarray
    """(h, w, 3) uint8."""
    x: float = 0.0
    y: float = 0.0
    """Where in the frame it begins, pixels."""
    scale: float = 1.0
    """Its pixels along a side for one of the frame."""


def place_face(face: FaceTrack) -> tuple[MouthCrop, FaceTrack]:
    """Where a `Piece` cuts a face, and the face in the pixels of the crops.

    Args:
        face: without trembling (`lower_face.calm`).
    """
    square = place_lower_face(face, drop=OPENING)
    crop = replace(square, side=MARGIN * square.side, size=CROP)
    inside = crop.to_crop(face.boxes[:, [[0, 1], [0, 3], [2, 1], [2, 3]]].astype(float))
    boxes = np.concatenate([inside.min(1), inside.max(1)], 1)
    keypoints = crop.to_crop(face.keypoints.astype(float))
    return crop, replace(face, boxes=boxes.astype(np.float32), keypoints=keypoints.astype(np.float32))


def cut_faces(parts: Iterable[FramePart], crop: MouthCrop) -> Iterator[np.ndarray]:
    """(CROP, CROP, 3) uint8 of each frame, where `place_face` found the face; beyond what is held its edge goes on."""
    rolls = np.arctan2(crop.across[:, 1], crop.across[:, 0])
    for part, (x, y), side, roll in zip(parts, crop.centre, crop.side, rolls, strict=True):
        place = np.array([[x - part.x, y - part.y, side, roll]]) * (*[part.scale] * 3, 1.0)
        cut = cut_frame(torch.from_numpy(part.pixels), torch.from_numpy(place.astype(np.float32)), CROP)
        yield to_pixels(cut)[0]


def to_jpeg(crop: np.ndarray) -> bytes:
    """What a `Piece` keeps of a crop, (CROP, CROP, 3) uint8."""
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


@dataclass(frozen=True)
class PieceEntry:
    """What a dataset says of a piece, kept or dropped."""

    name: str
    """Of its file, without the suffix; empty where there is none."""
    origin: str
    start: float
    """Seconds into the origin, as `end`."""
    end: float
    frames: int
    reason: str = ""
    """Why it was dropped, for the artist; empty when it is kept."""
    has_sound: bool = False
    opening: tuple[float, float] = (0.0, 0.0)
    """The widest of the mouth, and what nine frames in ten stay below; half widths of the mouth."""


@dataclass(frozen=True, eq=False)
class PetDataset:
    """A folder that `pet_clips.prepare_clips` made."""

    folder: Path
    species: str
    """Of most of what is kept; "unknown" when nothing is."""
    pieces: tuple[PieceEntry, ...]
    """Kept and dropped, in the order of origin and time."""

    @property
    def kept(self) -> tuple[PieceEntry, ...]:
        return tuple(entry for entry in self.pieces if not entry.reason)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the pieces kept."""
        return tuple(entry.name for entry in self.kept)

    def load(self, entry: PieceEntry) -> Piece:
        """
        Raises:
            FormatError: as `Piece.load`.
        """
        return Piece.load(piece_path(self.folder, entry.name))

    def load_kept(self) -> list[Piece]:
        """
        Raises:
            FormatError: nothing was kept, or as `Piece.load`.
        """
        if not self.kept:
            raise FormatError(
                f"Nothing was kept for the dataset {self.folder}; its report.html says why. Add clips, prepare again."
            )
        return [self.load(entry) for entry in self.kept]

    def save(self) -> None:
        """Write `dataset.json`, complete or not at all.

        Raises:
            OSError: there is no room for it.
        """
        told = {"version": 1, "species": self.species, "pieces": [asdict(entry) for entry in self.pieces]}
        write_text(self.folder / DOCUMENT, json.dumps(told, indent=1))

    @classmethod
    def open(cls, folder: str | os.PathLike) -> PetDataset:
        """
        Raises:
            FormatError: the folder is missing, holds no dataset, or one that is damaged.
        """
        folder = Path(folder)
        try:
            document = load_document((folder / DOCUMENT).read_text(encoding="utf-8"), DOCUMENT)
            species = get_field(document, "species", str, DOCUMENT)
            listed = get_field(document, "pieces", list, DOCUMENT)
            pieces = tuple(_entry(one, f"{DOCUMENT}.pieces[{index}]") for index, one in enumerate(listed))
        except FileNotFoundError:
            raise FormatError(f"{folder} holds no dataset; make one of your clips with Prepare Pet Clips.") from None
        except (OSError, UnicodeDecodeError, FormatError) as error:
            reason = getattr(error, "strerror", None) or error
            raise FormatError(f"The dataset in {folder} cannot be read ({reason}); prepare the clips again.") from None
        missing = [entry.name for entry in pieces if not entry.reason and not piece_path(folder, entry.name).is_file()]
        if missing:
            raise FormatError(
                f"{len(missing)} pieces of the dataset in {folder} are gone, {missing[0]} among them; "
                "prepare the clips again."
            )
        return cls(folder, species, pieces)


def piece_path(folder: Path, name: str) -> Path:
    return folder / "pieces" / f"{name}.safetensors"


def _entry(told, where: str) -> PieceEntry:
    if not isinstance(told, dict):
        raise FormatError(f"{where} must be an object, got {type(told).__name__}.")
    name, origin, reason = (get_field(told, field, str, where) for field in ("name", "origin", "reason"))
    if not reason and Path(name).name != name:
        raise FormatError(f"{where}.name must be that of a file, got {name[:40]}.")
    return PieceEntry(
        name,
        origin,
        to_number(told.get("start"), f"{where}.start"),
        to_number(told.get("end"), f"{where}.end"),
        get_field(told, "frames", int, where),
        reason,
        get_field(told, "has_sound", bool, where),
        tuple(to_array(told.get("opening"), (2,), f"{where}.opening").tolist()),
    )
