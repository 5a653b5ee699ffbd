"""The command line: `animal-lipsync COMMAND`. Names and defaults are those of the nodes."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from pathlib import Path

from .commands import animate, demo, detect, frame, motion

COMMANDS = (animate, detect, motion, frame, demo)
OUTPUTS = ("output", "draw", "rhubarb")
INPUTS = ("source", "voice", "keypoints", "motion", "reference", "reference_keypoints", "transcript")
"""Names of the options that are files which a command writes and reads."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 on success, 1 on failure with one line on stderr, 2 on bad usage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        _refuse_overwriting(options)
        report = options.run(options)
    except (ValueError, OSError) as error:
        _say("animal-lipsync: " + re.sub(r"^\[Errno \d+\] ", "", str(error)), sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("animal-lipsync: cancelled; nothing was written.", sys.stderr)
        return 1
    if options.json:
        _say(json.dumps(report), sys.stdout)
    else:
        _say(_in_words(report), sys.stdout)
    return 0


def _in_words(report: dict) -> str:
    if "times_real_time" in report:
        size, speed = f"{report['width']} x {report['height']}", f"{report['times_real_time']} s of video per second"
        return (
            f"Your video: {Path(report['output']).resolve()}\n"
            f"{report['duration_s']} s at {size}, made in {report['seconds']} s ({speed})"
        )
    if "faces" in report:
        found = ", ".join(f"{face['id']}: {face['species']} ({face['score']})" for face in report["faces"])
        return f"{len(report['faces'])} faces: {found}" if found else "No face was found."
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in report.items() if value is not None)


def _refuse_overwriting(options: argparse.Namespace) -> None:
    """No command may replace what it reads."""
    outputs = [getattr(options, name, None) for name in OUTPUTS]
    inputs = [getattr(options, name, None) for name in INPUTS]
    for output in filter(None, outputs):
        for read in filter(None, inputs):
            if Path(output).is_file() and Path(read).exists() and Path(output).samefile(read):
                raise ValueError(f"{output} is also what is read; choose another name for the output.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="animal-lipsync", description="Make a picture or clip of an animal speak.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


def _say(text: str, stream) -> None:
    stream.write(text + "\n")
