"""Who speaks: one of several animals, by a rule and a number, or by a point on it.

NumPy only; knows nothing of how the faces were found (detection.py, tracking.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .documents import LARGEST, FormatError
from .types import Faces, FaceTrack

RULES = ("prominent", "largest", "central", "leftmost", "rightmost")
SPEAKERS = (*RULES, "cat", "dog")
"""What `choose_face` counts by; any other species that a face has is a rule too."""


LEAST = 0.05
"""Score of the best candidate that is worth telling of."""


class NoFaceError(ValueError):
    """There is no animal face to work on; the message says what was looked at and what to do."""


@dataclass(frozen=True)
class Pick:
    """What someone pointed at in one frame of a picture or clip: a face, or where a head is that was not found."""

    width: int
    height: int
    """Of the picture that was pointed at."""
    frame: int
    point: tuple[float, float] | None
    """x, y in its pixels."""
    box: tuple[float, float, float, float] | None
    """x1, y1, x2, y2 in its pixels; this or `point`."""

    @classmethod
    def from_json(cls, text: str) -> Pick:
        """Read {"version": 1, "width": W, "height": H, "frame": 0, "point": [x, y]}, or with "box": [x1, y1, x2, y2].

        Raises:
            FormatError: naming the field that is wrong.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"pick is not JSON: {error}; empty it and click again.") from None
        if not isinstance(document, dict) or document.get("version") != 1:
            raise FormatError("pick must be an object of version 1; empty it and click again.")
        if ("point" in document) == ("box" in document):
            raise FormatError("pick must hold either a point or a box.")
        width, height, frame = (document.get(name, 0) for name in ("width", "height", "frame"))
        for name, value, least in (("width", width, 1), ("height", height, 1), ("frame", frame, 0)):
            if type(value) is not int or not least <= value <= LARGEST:
                raise FormatError(f"pick.{name} must be a whole number from {least}, got {str(value)[:40]}.")
        name, count = ("point", 2) if "point" in document else ("box", 4)
        values = document[name]
        if not isinstance(values, list) or len(values) != count or not all(map(_is_number, values)):
            raise FormatError(f"pick.{name} must be {count} numbers, got {str(values)[:60]}.")
        if name == "point":
            return cls(width, height, frame, tuple(values), None)
        x, y = sorted(values[::2]), sorted(values[1::2])
        if x[1] - x[0] < 1 or y[1] - y[0] < 1:
            raise FormatError("pick.box has no area; draw it from one corner of the head to the other.")
        return cls(width, height, frame, None, (x[0], y[0], x[1], y[1]))

    def at(self, width: int, height: int) -> tuple[float, ...]:
        """The point or box in a picture of another size."""
        scale = width / self.width, height / self.height
        return tuple(value * scale[i % 2] for i, value in enumerate(self.point or self.box))


def _is_number(value) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST


def choose_face(faces: Faces, number: int = 0, speaker: str = "prominent") -> int:
    """Index into `faces.tracks` of the animal that speaks.

    Args:
        number: which of them, counted from 0 in the order that `speaker` gives.
        speaker: "prominent" counts the large and sure ones first, "largest" and "central" (in the picture) say
            themselves, "leftmost" and "rightmost" count along the picture, a species counts only faces of it, the
            prominent first.

    Raises:
        NoFaceError: no face at all, none of that number or species, or as `require_in_sight`.
    """
    order = rank_faces(faces, speaker)
    if not 0 <= number < len(order):
        if not faces.tracks:
            raise NoFaceError(nothing_found(faces))
        found = ", ".join(f"{i}: {track.species}" for i, track in enumerate(faces.tracks))
        if not order and speaker not in SPEAKERS:
            raise NoFaceError(
                f"No face is a {speaker!r}, nor is that one of the rules {', '.join(RULES)}; the faces found, from "
                f"left to right, are {found}."
            )
        wanted = f"face number {number}" if speaker in RULES else f"{speaker} number {number}"
        raise NoFaceError(f"There is no {wanted}; the faces found, from left to right, are {found}.")
    require_in_sight(faces, order[number])
    return order[number]


def require_in_sight(faces: Faces, index: int) -> None:
    """Refuse a speaker on whom nothing would move, or of whom a point that was typed wrongly would drag the picture
    along. A head may be cut by the frame, so its points may lie outside, but no further than the picture is large.

    Raises:
        NoFaceError: saying where the face is.
    """
    track = faces.tracks[index]
    if not track.visible.any():
        raise NoFaceError(
            f'Face {index} is hidden in every frame, so nothing would move; empty its "hidden" in FACES.json (in a '
            "table, set visible to 1), or choose another face."
        )
    points = track.keypoints[track.visible].reshape(-1, 2)
    outside = np.maximum(-points, points - (faces.width, faces.height)).max(1)
    if outside.max() > max(faces.width, faces.height):
        x, y = points[outside.argmax()]
        raise NoFaceError(
            f"Face {index} has a point at {x:.0f}, {y:.0f}, far outside the picture of {faces.width} x {faces.height} "
            "pixels; put it where it belongs, or find the face anew."
        )


def rank_faces(faces: Faces, speaker: str = "prominent") -> list[int]:
    """Indices into `faces.tracks` in the order that a rule counts them; those of another species are left out."""
    if speaker in ("leftmost", "rightmost"):
        order = left_to_right(faces.tracks)
        return order if speaker == "leftmost" else order[::-1]
    size, off_centre = [], []
    for track in faces.tracks:
        boxes = track.boxes[track.visible] if track.visible.any() else track.boxes
        size.append(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).clip(0)))
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2 - (faces.width / 2, faces.height / 2)
        off_centre.append(np.linalg.norm(centre, axis=1).mean())
    if speaker == "largest":
        cost = [-sizes.mean() for sizes in size]
    elif speaker == "central":
        cost = off_centre
    else:
        scores = faces.scores or (1.0,) * len(size)
        cost = [-score * sizes.sum() for score, sizes in zip(scores, size, strict=True)]
    order = np.argsort(cost, kind="stable").tolist()
    return order if speaker in RULES else [i for i in order if faces.tracks[i].species == speaker]


def left_to_right(tracks: Sequence[FaceTrack]) -> list[int]:
    """Indices of tracks by where each is first seen: the order in which faces are numbered."""
    across = []
    for track in tracks:
        first = int(track.visible.argmax())
        across.append(float(track.boxes[first, 0] + track.boxes[first, 2]))
    return np.argsort(across, kind="stable").tolist()


def face_at(faces: Faces, point: tuple[float, float], frame: int = 0) -> int:
    """Index of the face at a point in pixels, or nearest to it, of those seen in a frame.

    Raises:
        NoFaceError: no face is seen in that frame.
    """
    distance = {}
    for i, track in enumerate(faces.tracks):
        row = min(frame, len(track) - 1)
        if track.visible[row]:
            low, high = track.boxes[row, :2], track.boxes[row, 2:]
            outside = np.linalg.norm(np.maximum(0, np.maximum(low - point, point - high)))
            distance[i] = (float(outside), float(np.linalg.norm((low + high) / 2 - point)))
    if not distance:
        if not faces.tracks:
            raise NoFaceError(nothing_found(faces))
        raise NoFaceError(f"No face is seen in frame {frame}, where you clicked; click in another or draw a box there.")
    return min(distance, key=distance.get)


def nothing_found(faces: Faces) -> str:
    """Why there is no face to choose from, and what to do."""
    score, frame = faces.best_candidate
    where = "this picture" if faces.frames == 1 else f"{faces.frames} frames"
    best = f"best candidate {score:.2f}" + (f" at frame {frame}" if faces.frames > 1 else "")
    lower = ", or lower min_score if the face is small, dark or turned away" if score >= LEAST else ""
    return (
        f"No animal face found in {where}; {best}; draw a box with Choose Face or Set the mouth by hand (in a "
        f"terminal: detect --box){lower}."
    )
