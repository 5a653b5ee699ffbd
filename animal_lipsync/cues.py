"""Mouth cues of other programs, as text: Rhubarb Lip Sync, Moho (Anime Studio) and Papagayo.

Knows nothing of sound or files; every function takes or gives text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby
from xml.etree import ElementTree

from .documents import FASTEST, FormatError
from .types import LONGEST, Cue, VisemeTrack

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
FROM_MOHO = {
    "rest": "sil",
    "MBP": "PP",
    "FV": "FF",
    "L": "nn",
    "etc": "DD",
    "AI": "aa",
    "E": "E",
    "O": "oh",
    "U": "ou",
    "WQ": "ou",
}


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
        except (ValueError, KeyError, TypeError, RecursionError):
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
        except (ElementTree.ParseError, UnicodeEncodeError) as error:
            raise FormatError(f"This is not Rhubarb's XML: {error}.") from None
    else:
        lines = [line.split() for line in text.splitlines() if line.strip()]
        for number, line in enumerate(lines, 1):
            if len(line) != 2:
                raise FormatError(
                    f"Line {number} must be a time and a shape, as Rhubarb writes them: {' '.join(line)[:40]!r}."
                )
        ends = [line[0] for line in lines[1:]] + [lines[-1][0]] if lines else []
        rows = [(start, end, shape) for (start, shape), end in zip(lines, ends, strict=True)]
    cues = []
    for number, (start, end, shape) in enumerate(rows, 1):
        start, end = _time(start, number), _time(end, number)
        if shape not in FROM_RHUBARB:
            raise FormatError(
                f"Cue {number} has shape {str(shape)[:20]!r}; Rhubarb's are {', '.join(sorted(FROM_RHUBARB))}."
            )
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
        raise FormatError(f"Cue {number} must have a time in seconds, got {str(value)[:40]!r}.") from None
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


def from_moho(text: str, frame_rate: Fraction = Fraction(24)) -> VisemeTrack:
    """Read a switch layer of Moho, as Papagayo and Rhubarb write it too; the file does not say its `frame_rate`.

    Raises:
        FormatError: naming the line that is wrong.
    """
    lines = [line.split() for line in text.lstrip("\ufeff").splitlines()]
    if not lines or lines[0] != ["MohoSwitch1"]:
        raise FormatError("This is not a switch layer of Moho: its first line must be MohoSwitch1.")
    shapes = [_shape(words, number, frame_rate) for number, words in enumerate(lines[1:], 2) if words]
    return VisemeTrack(_cues([(start - 1 / frame_rate, viseme) for start, viseme in shapes]))


def to_papagayo(track: VisemeTrack, frame_rate: Fraction = Fraction(24), *, sound: str = "") -> str:
    """The track as a project of Papagayo, .pgo: one voice, and a phrase for what is said in one breath.

    Args:
        sound: the file of the voice, as Papagayo shall look for it.
    """
    rate = max(1, round(frame_rate))  # Papagayo knows whole numbers only
    duration = round(max((cue.end for cue in track.cues), default=0) * rate)
    said = " ".join((track.text or "").split())
    phrases = list(_phrases(track))
    lines = ["lipsync version 1", sound, str(rate), str(duration), "1", "\tVoice 1", f"\t{said}", f"\t{len(phrases)}"]
    for words in phrases:
        timed = [(word, _shapes(cues, rate), round(cues[-1].end * rate) - 1) for word, cues in words]
        spans = [(word, shapes, shapes[0][0], max(shapes[-1][0], last)) for word, shapes, last in timed]
        lines += ["\t\t" + " ".join(word for word, *_ in spans), f"\t\t{spans[0][2]}", f"\t\t{spans[-1][3]}"]
        lines.append(f"\t\t{len(spans)}")
        for word, shapes, first, last in spans:
            lines.append(f"\t\t\t{word} {first} {last} {len(shapes)}")
            lines += [f"\t\t\t\t{frame} {shape}" for frame, shape in shapes]
    return "\n".join(lines) + "\n"


def _phrases(track: VisemeTrack) -> Iterator[list[tuple[str, list[Cue]]]]:
    """What is said in one breath after the other: words and their cues; `...` where the words are not known."""
    heard = sorted(track.words)
    for pause, cues in groupby(track.cues, key=lambda cue: cue.viseme == "sil"):
        if pause:
            continue
        words: list[tuple[str, list[Cue]]] = []
        at = None
        for cue in cues:
            begun = [index for index, (start, _, _) in enumerate(heard) if start <= (cue.start + cue.end) / 2]
            if not words or (begun and begun[-1] != at):
                at = begun[-1] if begun else None
                words.append(("_".join(heard[at][2].split()) if begun else "...", []))
            words[-1][1].append(cue)
        yield words


def _shapes(cues: list[Cue], rate: int) -> list[tuple[int, str]]:
    """Frames at which a Preston Blair shape is taken."""
    shapes: list[tuple[int, str]] = []
    for cue in cues:
        shape = (round(cue.start * rate), MOHO[RHUBARB[cue.viseme]])
        if not shapes or shapes[-1][1] != shape[1]:
            shapes.append(shape)
    return shapes


def from_papagayo(text: str) -> VisemeTrack:
    """Read the first voice of a project of Papagayo, .pgo.

    Raises:
        FormatError: naming the line that is wrong.
    """
    lines = iter(enumerate(text.lstrip("\ufeff").splitlines(), 1))

    def following(noun: str) -> tuple[int, str]:
        number, line = next(lines, (0, None))
        if line is None:
            raise FormatError(f"The project of Papagayo ends where {noun} is expected; save it again.")
        return number, line.strip()

    def count(noun: str) -> int:
        number, line = following(noun)
        if not line.isdecimal() or len(line) > 8:
            raise FormatError(f"Line {number} must be {noun}, a whole number, got {line[:40]!r}.")
        return int(line)

    if following("the version")[1] != "lipsync version 1":
        raise FormatError("This is not a project of Papagayo: its first line must be 'lipsync version 1'.")
    following("the sound file")
    rate = count("the frame rate")
    if not 1 <= rate <= FASTEST:
        raise FormatError(f"The frame rate of a project of Papagayo must lie between 1 and {FASTEST}, got {rate}.")
    length = count("the length in frames")
    if count("the number of voices") < 1:
        raise FormatError("This project of Papagayo has no voice; add one and save it again.")
    following("the voice's name")
    _, said = following("what is said")
    shapes, heard = [(Fraction(0), "sil")], []
    for _ in range(count("the number of phrases")):
        following("a phrase")
        count("the phrase's first frame")
        count("the phrase's last frame")
        for _ in range(count("the number of words")):
            number, line = following("a word")
            words = line.rsplit(maxsplit=3)
            if len(words) != 4 or not all(word.isdecimal() and len(word) <= 8 for word in words[1:]):
                raise FormatError(
                    f"Line {number} must be a word, its first and last frame and how many sounds it has, "
                    f"got {line[:40]!r}."
                )
            heard.append((int(words[1]) / rate, (int(words[2]) + 1) / rate, words[0].replace("_", " ")))
            for _ in range(int(words[3])):
                number, line = following("a sound")
                shapes.append(_shape(line.split(), number, Fraction(rate)))
            shapes.append((Fraction(int(words[2]) + 1, rate), "sil"))
    shapes.append((Fraction(length, rate), "sil"))
    return VisemeTrack(_cues(shapes), said.replace("|", "\n") or None, tuple(heard))


def _shape(words: list[str], number: int, rate: Fraction) -> tuple[Fraction, str]:
    """Seconds and viseme of a line of a frame and a Preston Blair shape."""
    if len(words) != 2 or not words[0].isdecimal() or len(words[0]) > 8:
        raise FormatError(f"Line {number} must be a frame and a shape, got {' '.join(words)[:40]!r}.")
    if words[1] not in FROM_MOHO:
        raise FormatError(
            f"Line {number} has shape {words[1][:20]!r}; Preston Blair's are {', '.join(FROM_MOHO)}. Choose that set "
            "in the other program and export again."
        )
    seconds = int(words[0]) / Fraction(rate)
    if seconds > LONGEST:
        raise FormatError(f"Line {number}: frame {words[0]} lies later than {LONGEST:g} seconds.")
    return seconds, FROM_MOHO[words[1]]


def _cues(shapes: list[tuple[Fraction, str]]) -> tuple[Cue, ...]:
    """Cues without gaps from when each shape is taken; the last one ends the track."""
    starts: list[tuple[Fraction, str]] = [(Fraction(0), "sil")]
    for start, viseme in shapes:
        start = max(start, starts[-1][0] if starts else Fraction(0))
        while starts and starts[-1][0] == start:
            starts.pop()
        if starts and starts[-1][1] == viseme and start != shapes[-1][0]:
            continue
        starts.append((start, viseme))
    return tuple(Cue(float(a), float(b), viseme) for (a, viseme), (b, _) in zip(starts[:-1], starts[1:], strict=True))
