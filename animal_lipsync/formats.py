"""Which program wrote a file of mouth movement, and what it says."""

from __future__ import annotations

import json
from fractions import Fraction

from .articulation import Mouth
from .cues import from_moho, from_papagayo, from_rhubarb
from .motion import NATURAL, keyframes_to_motion, visemes_to_motion
from .performance import from_arkit, from_ovr
from .types import FormatError, MouthMotion

SUFFIXES = (".json", ".tsv", ".xml", ".dat", ".pgo", ".csv", ".txt")
"""Of the files that `read_motion` understands."""


def read_motion(text: str, frame_rate: Fraction, *, mouth: Mouth = NATURAL) -> MouthMotion:
    """The motion in a file of ours (MOTION.json, keyframes), Rhubarb, Moho, Papagayo, OVRLipSync or Live Link Face.

    Args:
        frame_rate: of a motion made of cues, and of a file that does not say its own: Moho's and Live Link Face's.
        mouth: whose it is and how it speaks; of a filmed face only its strength counts, of a motion of ours nothing.

    Raises:
        FormatError: naming the field or line that is wrong, or the programs whose files can be read.
    """
    start = text.lstrip("\ufeff \t\r\n")[:4096]
    if start.startswith("{"):
        try:
            document = json.loads(text.lstrip("\ufeff \t\r\n"))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"The file is not whole JSON: {error}; export it again.") from None
        if "channels" in document:
            return MouthMotion.from_json(json.dumps(document))
        if "keyframes" in document:
            return keyframes_to_motion(json.dumps(document))
        if "entries" in document:
            return from_ovr(json.dumps(document), frame_rate, mouth=mouth)
        if "mouthCues" not in document:
            raise FormatError(
                f"The file's JSON holds {', '.join(document)[:80] or 'nothing'}, but `channels` (ours), `keyframes` "
                "(ours), `mouthCues` (Rhubarb) or `entries` (OVRLipSync) is expected."
            )
    first = start.split("\n", 1)[0]
    if first.startswith("MohoSwitch"):
        track = from_moho(text, frame_rate)
    elif first.startswith("lipsync version"):
        track = from_papagayo(text)
    elif "," in first:
        return from_arkit(text, frame_rate, strength=mouth.strength)
    elif start[:1] in ("{", "<") or "\t" in first or first[:1].isdecimal():
        track = from_rhubarb(text)
    else:
        raise FormatError(
            f"The file begins with {first[:30]!r}, which is none of: a motion or keyframes of ours, Rhubarb (tsv, "
            "json, xml), Moho (dat), Papagayo (pgo), OVRLipSync (json), Live Link Face (csv)."
        )
    if not track.cues:
        raise FormatError("The file holds no mouth shape; export it again.")
    return visemes_to_motion(track, frame_rate, mouth=mouth)
