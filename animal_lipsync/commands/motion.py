"""A voice becomes the movement of a mouth."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

from ..files import require_output, write_text
from .options import command, rate, refuse_idle, transcript_options


def add(commands) -> None:
    parser = command(commands, "motion", run, "Turn a voice into mouth movement.")
    parser.add_argument("voice", metavar="VOICE")
    parser.add_argument("-o", "--output", metavar="MOTION.json")
    transcript_options(parser)
    parser.add_argument("--rhubarb", metavar="OUT.tsv", help="the cues in Rhubarb's format: .tsv, .json or .xml")
    parser.add_argument("--frame-rate", type=rate, default=Fraction(25), metavar="25")


def run(options: argparse.Namespace) -> dict:
    from ..cues import to_rhubarb
    from .inputs import heard_motion

    refuse_idle(options, language="transcript")
    if options.output:
        require_output(options.output)
    if options.rhubarb:
        require_output(options.rhubarb, ".tsv", ".json", ".xml")
    motion = heard_motion(options, options.frame_rate)
    if options.rhubarb:
        form = Path(options.rhubarb).suffix.lstrip(".").lower()
        write_text(options.rhubarb, to_rhubarb(motion.visemes, form=form))
    if options.output:
        write_text(options.output, motion.to_json())
    return {
        "output": options.output,
        "frames": len(motion),
        "frame_rate": str(motion.frame_rate),
        "mean_jaw_open": round(float(motion.channel("jaw_open").mean()), 3),
    }
