"""Mouth cues and face curves of other programs, as text: Rhubarb Lip Sync, Moho, Live Link Face (ARKit).

Knows nothing of sound or files; every function takes or gives text.
"""

from __future__ import annotations

import csv
import io
import json
import math
from fractions import Fraction
from xml.etree import ElementTree

import numpy as np

from .types import HEAD_LIMIT, LONGEST, Cue, FormatError, MouthMotion, VisemeTrack

RHUBARB = {
    "sil": "X",
    "PP": "A",
    "FF": "G",
    "TH": "B",
    "DD": "B",
    "kk": "B",
    "CH": "B",
    "SS": "B",
    "nn": "B",
    "RR": "B",
    "aa": "D",
    "E": "C",
    "ih": "B",
    "oh": "E",
    "ou": "F",
}
"""Rhubarb's shape for each viseme."""
FROM_RHUBARB = {"X": "sil", "A": "PP", "B": "DD", "C": "E", "D": "aa", "E": "oh", "F": "ou", "G": "FF", "H": "nn"}
MOHO = {"X": "rest", "A": "MBP", "B": "etc", "C": "E", "D": "AI", "E": "O", "F": "U", "G": "FV", "H": "L"}
"""Preston Blair's names for Rhubarb's shapes."""

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
ARKIT_HEAD = {"head_pitch": "HeadPitch", "head_yaw": "HeadYaw", "head_roll": "HeadRoll"}
"""Radians in the file, degrees in a motion."""


def to_rhubarb(track: VisemeTrack, *, form: str = "tsv") -> str:
    """The track as Rhubarb writes it: `tsv`, `json` or `xml`."""
    shapes: list[list] = []
    for cue in track.cues:
        shape = RHUBARB[cue.viseme]
        if shapes and shapes[-1][2] == shape:
            shapes[-1][1] = cue.end
        else:
            shapes.append([cue.start, cue.end, shape])
    duration = track.cues[-1].end if track.cues else 0.0
    if form == "tsv":
        return "".join(f"{start:.2f}\t{shape}\n" for start, _, shape in shapes) + f"{duration:.2f}\tX\n"
    if form == "json":
        cues = [{"start": round(start, 2), "end": round(end, 2), "value": shape} for start, end, shape in shapes]
        return json.dumps({"metadata": {"duration": round(duration, 2)}, "mouthCues": cues}, indent=2) + "\n"
    if form == "xml":
        cues = "".join(f'    <mouthCue start="{s:.2f}" end="{e:.2f}">{shape}</mouthCue>\n' for s, e, shape in shapes)
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n<rhubarbResult>\n  <metadata>\n'
            f"    <duration>{duration:.2f}</duration>\n  </metadata>\n  <mouthCues>\n{cues}  </mouthCues>\n"
            "</rhubarbResult>\n"
        )
    raise ValueError(f"form must be tsv, json or xml, got {form!r}.")


def from_rhubarb(text: str) -> VisemeTrack:
    """Read what Rhubarb wrote, whichever of its three forms it is.

    Raises:
        FormatError: naming the line or cue that is wrong.
    """
    text = text.lstrip("\ufeff \t\r\n")
    start = text[:1]
    if start == "{":
        try:
            rows = [(cue["start"], cue["end"], cue["value"]) for cue in json.loads(text)["mouthCues"]]
        except (ValueError, KeyError, TypeError):
            raise FormatError(
                "This is not Rhubarb's JSON: `mouthCues` with start, end and value is expected."
            ) from None
    elif start == "<":
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise FormatError("Rhubarb's XML has no DOCTYPE; export it again.")
        try:
            rows = [
                (cue.get("start"), cue.get("end"), cue.text) for cue in ElementTree.fromstring(text).iter("mouthCue")
            ]
        except ElementTree.ParseError as error:
            raise FormatError(f"This is not Rhubarb's XML: {error}.") from None
    else:
        lines = [line.split() for line in text.splitlines() if line.strip()]
        for number, line in enumerate(lines, 1):
            if len(line) != 2:
                raise FormatError(
                    f"Line {number} must be a time and a shape, as Rhubarb writes them: {' '.join(line)!r}."
                )
        ends = [line[0] for line in lines[1:]] + [lines[-1][0]] if lines else []
        rows = [(start, end, shape) for (start, shape), end in zip(lines, ends, strict=True)]
    cues = []
    for number, (start, end, shape) in enumerate(rows, 1):
        start, end = _time(start, number), _time(end, number)
        if shape not in FROM_RHUBARB:
            raise FormatError(f"Cue {number} has shape {shape!r}; Rhubarb's are {', '.join(sorted(FROM_RHUBARB))}.")
        if end < start or (cues and start < cues[-1].end - 1e-6):
            raise FormatError(
                f"Cue {number} at {start:g} s must follow the one before it and not end before it starts."
            )
        if end > start:
            cues.append(Cue(start, end, FROM_RHUBARB[shape]))
    return VisemeTrack(tuple(cues))


def _time(value, number: int) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise FormatError(f"Cue {number} must have a time in seconds, got {value!r}.") from None
    if not (math.isfinite(seconds) and 0 <= seconds <= LONGEST):
        raise FormatError(f"Cue {number}: its time must lie between 0 and {LONGEST:g} seconds, got {value}.")
    return seconds


def to_moho(track: VisemeTrack, frame_rate: Fraction = Fraction(24)) -> str:
    """The track as a Moho (Anime Studio) switch layer, .dat: a frame, from 1, and a Preston Blair shape per line."""
    lines, last = ["MohoSwitch1"], None
    for cue in track.cues:
        shape = MOHO[RHUBARB[cue.viseme]]
        if shape != last:
            lines.append(f"{round(cue.start * frame_rate) + 1} {shape}")
            last = shape
    if track.cues:
        lines.append(f"{round(track.cues[-1].end * frame_rate) + 1} rest")
    return "\n".join(lines) + "\n"


def to_arkit(motion: MouthMotion) -> str:
    """The motion as the CSV of Live Link Face: a line per frame, ARKit blendshapes from 0 to 1, the head in radians."""
    names = [name for shapes in ARKIT.values() for name in shapes] + list(ARKIT_HEAD.values())
    columns = [motion.channel(channel) for channel, shapes in ARKIT.items() for _ in shapes]
    columns += [np.radians(motion.channel(channel)) for channel in ARKIT_HEAD]
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


def from_arkit(text: str, frame_rate: Fraction) -> MouthMotion:
    """A filmed performance as motion: the CSV of Live Link Face or any other with ARKit's names, a frame per line.

    Raises:
        FormatError: no column has a name of ARKit, or a value is not a number.
    """
    lines = list(csv.reader(text.lstrip("\ufeff").splitlines()))
    names = [name.strip().lower() for name in lines[0]] if lines else []
    known = {name.lower() for shapes in ARKIT.values() for name in shapes} & set(names)
    if not known:
        raise FormatError(
            "The first line names no blendshape of ARKit (JawOpen, MouthClose, ...); export a CSV with names."
        )
    frames = [line for line in lines[1:] if line]

    def column(name: str) -> np.ndarray:
        index = names.index(name.lower())
        try:
            values = np.array([float(line[index]) for line in frames], float)
        except (ValueError, IndexError):
            raise FormatError(f"The column {name} has an entry that is missing or not a number.") from None
        if not np.isfinite(values).all():
            raise FormatError(f"The column {name} has an entry that is not a finite number.")
        return values

    channels = {}
    for channel, shapes in ARKIT.items():
        if present := [shape for shape in shapes if shape.lower() in names]:
            channels[channel] = np.clip(np.max([column(shape) for shape in present], axis=0), 0, 1)
    for channel, name in ARKIT_HEAD.items():
        if name.lower() in names:
            channels[channel] = np.clip(np.degrees(column(name)), -HEAD_LIMIT, HEAD_LIMIT)
    return MouthMotion.from_channels(Fraction(frame_rate), len(frames), **channels)
