"""What is remembered of a clip once it was cut: enough to sort its pieces among those of all others without pixels.

One JSON file for each clip or picture, in the folder `sources` of a dataset.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from .cutting import Finding
from .files import write_text

LOUDNESS = 50
"""Moments at which it is kept how loud a piece is."""
ARRAYS = {
    "opening": (np.float16, (-1,)),
    "look": (np.float16, (-1,)),
    "glances": (np.uint8, (-1, 16, 16)),
    "loudness": (np.float16, (-1,)),
}
"""Type and shape of what is kept as bytes."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """A `Finding` without its piece."""

    name: str
    """Of the piece's file; empty when there is none."""
    start: float
    end: float
    frames: int
    reason: str
    species: str
    has_sound: bool
    opening: np.ndarray
    """(N,) half widths of the mouth; empty where no mouth was looked at, as what follows."""
    look: np.ndarray
    """(128,)"""
    glances: np.ndarray
    """(5, 16, 16)"""
    loudness: np.ndarray
    """(50,) log10 of the power of the sound."""
    thumbnail: bytes

    @classmethod
    def of(cls, found: Finding, name: str) -> Sighting:
        piece, nothing = found.piece, np.zeros(0)
        return cls(
            name if piece else "",
            found.start,
            found.end,
            found.frames,
            found.reason,
            piece.face.species if piece else "unknown",
            bool(piece and piece.sound),
            piece.opening if piece else nothing,
            found.look if piece else nothing,
            found.glances if piece else np.zeros((0, 16, 16), np.uint8),
            _loudness(piece.sound.waveform[0]) if piece and piece.sound else nothing,
            found.thumbnail,
        )

    @property
    def seconds(self) -> float:
        """A picture counts as one."""
        return self.end - self.start or 1.0


@dataclass(frozen=True, eq=False)
class Sightings:
    """Those of one clip or picture."""

    origin: str
    seen: tuple[Sighting, ...]
    """In the order of time."""
    damage: str = ""
    """Why nothing more was seen; empty when all of it was read."""

    def save(self, path: Path) -> None:
        told = {
            "version": 1,
            "origin": self.origin,
            "damage": self.damage,
            "seen": [_to_json(one) for one in self.seen],
        }
        write_text(path, json.dumps(told))

    @classmethod
    def load(cls, path: Path) -> Sightings | None:
        """None when there are none, or they are damaged: the clip is then cut again."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            seen = tuple(map(_from_json, told["seen"]))
            return cls(told["origin"], seen, told["damage"]) if told["version"] == 1 else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _loudness(waveform: np.ndarray) -> np.ndarray:
    parts = np.array_split(waveform, LOUDNESS)
    return np.log10([np.square(part, dtype=np.float64).mean() + 1e-9 for part in parts])


def _to_json(one: Sighting) -> dict:
    told = {field.name: getattr(one, field.name) for field in fields(one)}
    for name, (kind, _) in ARRAYS.items():
        told[name] = b64encode(told[name].astype(kind).tobytes()).decode()
    return told | {"thumbnail": b64encode(one.thumbnail).decode()}


def _from_json(told: dict) -> Sighting:
    arrays = {name: np.frombuffer(b64decode(told[name]), kind).reshape(shape) for name, (kind, shape) in ARRAYS.items()}
    arrays = {name: array if array.dtype == np.uint8 else array.astype(np.float32) for name, array in arrays.items()}
    return Sighting(**told | arrays | {"thumbnail": b64decode(told["thumbnail"])})
