"""A face that was filmed or animated elsewhere as the motion of a mouth: ARKit's blendshapes, and OVR's viseme weights.

ARKit curves come as the CSV of Live Link Face or frame by frame from MediaPipe. OVR weights are the JSON of an
OVRLipSyncSequence. Knows nothing of files; every function takes or gives text or arrays.
"""

from __future__ import annotations

import csv
import io
import json
from fractions import Fraction

import numpy as np

from .articulation import Mouth, smooth
from .documents import LARGEST, FormatError, to_array
from .styles import respond
from .types import HEAD_LIMIT, LONGEST, Cue, MouthMotion, VisemeTrack
from .visemes import FRAMES_PER_SECOND, SHAPES, VISEMES, long_enough

ARKIT = {
    "jaw_open": ("JawOpen",),
    "mouth_close": ("MouthClose",),
    "mouth_pucker": ("MouthPucker", "MouthFunnel"),
    "mouth_wide": ("MouthSmileLeft", "MouthSmileRight", "MouthStretchLeft", "MouthStretchRight"),
    "tongue_out": ("TongueOut",),
    "blink_left": ("EyeBlinkLeft",),
    "blink_right": ("EyeBlinkRight",),
    "brow": ("BrowInnerUp",),
}
"""Blendshapes that a channel is written to; read, it is the largest of them."""
HEAD = {"head_pitch": "HeadPitch", "head_yaw": "HeadYaw", "head_roll": "HeadRoll"}
"""Radians in the file, degrees in a motion."""
AJAR = 0.03
"""JawOpen below which lips touch anyway, and how far MouthClose shuts them is noise."""
LOST = 0.4
"""Seconds that a face may be out of sight before the animal comes to rest."""
EASE = 0.2
"""Seconds in which it does, and takes up again."""
WEIGHTS_BLUR = 2.0
"""Rows; sigma of the blur between viseme weights."""


def to_arkit(motion: MouthMotion) -> str:
    """The motion as the CSV of Live Link Face: a line per frame, ARKit blendshapes from 0 to 1, the head in radians.

    ARKit's MouthClose takes back what JawOpen opens: lips meet where both are equal.
    """
    names = [name for shapes in ARKIT.values() for name in shapes] + list(HEAD.values())
    motion = motion.with_channels(mouth_close=motion.channel("mouth_close") * motion.channel("jaw_open"))
    columns = [motion.channel(channel) for channel, shapes in ARKIT.items() for _ in shapes]
    columns += [np.radians(motion.channel(channel)) for channel in HEAD]
    rows = np.stack(columns, axis=1)
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(["Timecode", "BlendshapeCount", *names])
    for frame, row in enumerate(rows):
        table.writerow([_timecode(frame, motion.frame_rate), len(names), *(f"{value:.6f}" for value in row)])
    return written.getvalue()


def _timecode(frame: int, rate: Fraction) -> str:
    second, within = divmod(frame / rate, 1)
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}:{float(within * rate):06.3f}"


def from_arkit(text: str, frame_rate: Fraction, *, strength: float = 1.0) -> MouthMotion:
    """A filmed performance as motion: the CSV of Live Link Face or any other with ARKit's names, a frame per line.

    Raises:
        FormatError: no column has a name of ARKit, or a value is not a number.
    """
    try:
        lines = list(csv.reader(text.lstrip("\ufeff").splitlines()))
    except csv.Error as error:
        raise FormatError(f"This is not a table of comma-separated values: {error}; export it again.") from None
    names = [name.strip().lower() for name in lines[0]] if lines else []
    known = {name.lower() for shapes in ARKIT.values() for name in shapes} & set(names)
    if not known:
        raise FormatError(
            "The first line names no blendshape of ARKit (JawOpen, MouthClose, ...); export a CSV with names."
        )
    frames = [line for line in lines[1:] if line]
    curves = {}
    for name in known | ({name.lower() for name in HEAD.values()} & set(names)):
        index = names.index(name)
        try:
            values = np.array([float(line[index]) for line in frames], float)
        except (ValueError, IndexError):
            raise FormatError(f"The column {lines[0][index]} has an entry that is missing or not a number.") from None
        if not np.isfinite(values).all():
            raise FormatError(f"The column {lines[0][index]} has an entry that is not a finite number.")
        curves[name] = values
    return _perform(curves, len(frames), Fraction(frame_rate), strength)


def landmarks_to_motion(
    frames: list[list[dict]], frame_rate: Fraction, *, face: int = 0, strength: float = 1.0
) -> MouthMotion:
    """What one filmed person does, as core's Detect Face Landmarks (MediaPipe) sees it.

    The head turns from the pose it holds most of the time. Where the face is not seen for longer the animal rests.

    Args:
        frames: for each frame the faces in it: `blendshapes` by ARKit's names, `bbox_xyxy`, `transformation_matrix`.
        face: which of them, the largest being 0, in the first frame that shows so many; it is followed from there.
        strength: 0 to 4; people open their mouths less far to speak than an animal has to.

    Raises:
        ValueError: no frame shows so many faces.
    """
    seen = _follow(frames, face)
    if not seen:
        raise ValueError(
            f"None of the {len(frames)} frames shows {face + 1} face(s); film the face from the front, or lower "
            "min_confidence in Detect Face Landmarks."
        )
    at = np.array(list(seen))
    names = {name.lower() for performer in seen.values() for name in performer["blendshapes"]}
    curves = {}
    for name in names:
        shown = [_by_lower_name(performer["blendshapes"]).get(name, 0.0) for performer in seen.values()]
        curves[name] = _bridge(at, np.array(shown, float), len(frames), float(frame_rate))
    turns = np.array([_turn(performer.get("transformation_matrix")) for performer in seen.values()])
    turns -= np.median(turns, axis=0)
    for name, column in zip(HEAD.values(), turns.T, strict=True):
        bridged = _bridge(at, column, len(frames), float(frame_rate))
        curves[name.lower()] = smooth(bridged, 0.04 * float(frame_rate))
    return _perform(curves, len(frames), Fraction(frame_rate), strength)


def _by_lower_name(blendshapes: dict[str, float]) -> dict[str, float]:
    return {name.lower(): value for name, value in blendshapes.items()}


def _follow(frames: list[list[dict]], face: int) -> dict[int, dict]:
    """The faces of one performer by the index of their frame: each the nearest to the last one."""
    seen: dict[int, dict] = {}
    last = None
    for index, faces in enumerate(frames):
        if last is None and len(faces) > face:
            by_size = sorted(faces, key=lambda one: -np.prod(np.asarray(one["bbox_xyxy"])[2:] - one["bbox_xyxy"][:2]))
            last = by_size[face]
        elif last is not None and faces:
            last = min(faces, key=lambda one, last=last: np.abs(_centre(one) - _centre(last)).sum())
        else:
            continue
        seen[index] = last
    return seen


def _centre(face: dict) -> np.ndarray:
    box = np.asarray(face["bbox_xyxy"], float)
    return box[:2] + box[2:]


def _turn(matrix: np.ndarray | None) -> np.ndarray:
    """Pitch (nose down), yaw (to the right of the picture) and roll (clockwise), radians, of a 4 x 4 head pose.

    Its x points right, its y up and its z towards the camera.
    """
    if matrix is None:
        return np.zeros(3)
    turn = np.asarray(matrix, float)[:3, :3]
    turn = turn / np.maximum(np.linalg.norm(turn, axis=0), 1e-9)
    pitch = np.arcsin(np.clip(-turn[1, 2], -1, 1))
    return np.array([pitch, np.arctan2(turn[0, 2], turn[2, 2]), -np.arctan2(turn[1, 0], turn[1, 1])])


def _bridge(at: np.ndarray, values: np.ndarray, length: int, rate: float) -> np.ndarray:
    """(length,) of what is known at some frames: interpolated over short gaps, at rest (0) within long ones."""
    knots, known = [-LOST * rate - 1, *at.tolist(), length + LOST * rate + 1], [0.0, *values.tolist(), 0.0]
    x, y = [knots[0]], [known[0]]
    for left, right, value in zip(knots[:-1], knots[1:], known[1:], strict=True):
        if right - left > LOST * rate:
            x += [left + EASE * rate, right - EASE * rate]
            y += [0.0, 0.0]
        x.append(right)
        y.append(value)
    return np.interp(np.arange(length), x, y)


def _perform(curves: dict[str, np.ndarray], length: int, frame_rate: Fraction, strength: float) -> MouthMotion:
    """Motion of ARKit's curves by lower-case name."""
    channels = {
        channel: np.clip(np.max([curves[name.lower()] for name in shapes if name.lower() in curves], axis=0), 0, 1)
        for channel, shapes in ARKIT.items()
        if any(name.lower() in curves for name in shapes)
    }
    jaw = channels.get("jaw_open", np.zeros(length))
    if "mouth_close" in channels:
        channels["mouth_close"] = np.clip(channels["mouth_close"] / np.maximum(jaw, AJAR), 0, 1) * (jaw > AJAR)
    for name in ("jaw_open", "mouth_pucker", "mouth_wide", "tongue_out"):
        if name in channels:
            channels[name] = respond(channels[name], strength)
    for channel, name in HEAD.items():
        if name.lower() in curves:
            channels[channel] = np.clip(np.degrees(curves[name.lower()]), -HEAD_LIMIT, HEAD_LIMIT)
    return MouthMotion.from_channels(frame_rate, length, **channels)


def to_ovr(track: VisemeTrack) -> str:
    """The track as the JSON of an OVRLipSyncSequence: 100 frames a second of 15 viseme weights that sum to 1."""
    length = track.cues[-1].end if track.cues else 0.0
    weights = np.zeros((round(length * FRAMES_PER_SECOND), len(VISEMES)))
    weights[:, 0] = 1
    at = (np.arange(len(weights)) + 0.5) / FRAMES_PER_SECOND
    for cue in track.cues:
        first, last = np.searchsorted(at, (cue.start, cue.end))
        weights[first:last] = np.eye(len(VISEMES))[VISEMES.index(cue.viseme)]
    entries = [
        {"frameNumber": number, "frameDelay": 0, "Visemes": row, "laughterScore": 0.0}
        for number, row in enumerate(np.round(smooth(weights, WEIGHTS_BLUR), 4).tolist())
    ]
    return json.dumps({"entries": entries, "length": length})


def from_ovr(text: str, frame_rate: Fraction, *, mouth: Mouth) -> MouthMotion:
    """Read an OVRLipSyncSequence as what `mouth` does.

    Raises:
        FormatError: naming the field that is wrong.
    """
    try:
        document = json.loads(text)
        rows = [entry["Visemes"] for entry in document["entries"]]
        length = float(document["length"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise FormatError(
            "This is not the JSON of an OVRLipSyncSequence: `length` in seconds and `entries`, each with 15 "
            "`Visemes`, are expected."
        ) from None
    weights = np.clip(to_array(rows, (None, len(VISEMES)), "entries.Visemes"), 0, 1)
    if not 0 < length <= LONGEST or not len(weights) or len(weights) > LARGEST:
        raise FormatError(f"length must lie between 0 and {LONGEST:g} seconds and entries not be empty, got {length}.")
    at = (np.arange(round(length * FRAMES_PER_SECOND)) + 0.5) / FRAMES_PER_SECOND
    times = (np.arange(len(weights)) + 0.5) * length / len(weights)
    rows = np.stack([np.interp(at, times, column) for column in weights.T], axis=1)
    edges = np.flatnonzero(np.diff(rows.argmax(axis=1), prepend=-1, append=-1))
    runs = [
        (first / FRAMES_PER_SECOND, last / FRAMES_PER_SECOND, VISEMES[rows[first].argmax()])
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    track = VisemeTrack(tuple(Cue(*run) for run in long_enough(runs)))
    return mouth.say(track, smooth(rows @ SHAPES, WEIGHTS_BLUR), Fraction(frame_rate), Fraction(length))
