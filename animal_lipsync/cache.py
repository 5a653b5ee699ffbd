"""Faces found before, kept in a folder: of one picture or clip, as one version of the networks found them.

Any number of programs may use one folder; a folder that cannot be written only costs time.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from .clip import Clip
from .keeping import Keeper
from .types import Faces, FaceTrack

VERSION = 4
"""To be raised when detection, following or tracking finds something else in the same pixels."""
WEIGHTS = Path(__file__).parent / "weights" / "animal_face.safetensors"
LIMIT = 200_000_000
"""Bytes of a cache; what was not used for longest goes first. A minute of video takes about half a million."""
PER_FRAME = ("boxes", "keypoints", "score", "visible")


class FaceCache:
    """The faces of pictures and clips by `face_key`, as files in a folder."""

    def __init__(self, folder: str | os.PathLike, *, limit: int = LIMIT):
        self.folder = Path(folder)
        self._kept = Keeper(folder, ".npz", noun="faces", limit=limit)

    def get(self, key: str) -> Faces | None:
        """What was kept under this key; None when there is nothing, or it is damaged."""
        return self._kept.get(key, _read)

    def put(self, key: str, faces: Faces) -> None:
        """Keep these; whatever is kept under the key now is replaced as a whole."""
        self._kept.put(key, lambda path: np.savez_compressed(path, **_to_entry(faces)))


def default_folder() -> Path:
    """Where programs of this platform keep what they can make again."""
    home = Path.home()
    places = {"darwin": home / "Library" / "Caches", "win32": home / "AppData" / "Local"}
    return places.get(sys.platform, home / ".cache") / "animal-lipsync" / "faces"


def face_key(clip: Clip, *settings: object) -> str:
    """What names the faces of a clip: its content, the networks and the settings they were found with.

    A file counts by its bytes, a clip in memory by every fourth pixel of every fourth row.
    """
    return clip_key(clip, VERSION, _weights(), *settings)


def clip_key(clip: Clip, *settings: object) -> str:
    """What names something made of a clip: its content, as of `face_key`, and the settings it was made with."""
    size = (clip.width, clip.height, clip.frames, str(clip.frame_rate) if clip.frames > 1 else "")
    digest = hashlib.blake2b(repr((size, settings)).encode(), digest_size=20)
    for block in _content(clip):
        digest.update(block)
    return digest.hexdigest()


def _content(clip: Clip) -> Iterator[bytes]:
    if clip.path is None:
        for frame in clip.read(clip.frames):
            yield frame[::4, ::4].tobytes()
    else:
        with open(clip.path, "rb") as file:
            while block := file.read(1 << 20):
                yield block


@functools.cache
def _weights() -> str:
    return hashlib.blake2b(WEIGHTS.read_bytes(), digest_size=8).hexdigest()


def _to_entry(faces: Faces) -> dict[str, np.ndarray]:
    about = {
        "size": [faces.width, faces.height, faces.frames],
        "frame_rate": str(faces.frame_rate),
        "tracks": [[track.species, track.schema] for track in faces.tracks],
        "scores": faces.scores,
        "picture": faces.picture,
        "best_candidate": faces.best_candidate,
    }
    rows = {f"{name}{i}": getattr(track, name) for i, track in enumerate(faces.tracks) for name in PER_FRAME}
    return {"about": np.array(json.dumps(about)), **rows}


def _read(path: Path) -> Faces:
    with np.load(path) as entry:
        return _from_entry(entry)


def _from_entry(entry) -> Faces:
    about = json.loads(str(entry["about"]))
    tracks = tuple(
        FaceTrack(*(entry[f"{name}{i}"] for name in PER_FRAME), species, schema)
        for i, (species, schema) in enumerate(about["tracks"])
    )
    return Faces(
        *about["size"][:2],
        Fraction(about["frame_rate"]),
        about["size"][2],
        tracks,
        tuple(about["scores"]),
        about["picture"],
        tuple(about["best_candidate"]),
    )
