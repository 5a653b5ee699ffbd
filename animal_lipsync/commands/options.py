"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from pathlib import Path

from ..files import write_target
from ..styles import STYLES
from ..types import CHANNELS, FormatError, to_frame_rate

OUTPUTS = ("output", "draw", "rhubarb", "moho", "papagayo", "arkit", "ovr", "wav", "html", "report")
INPUTS = ("source", "sources", "videos", "results", "manifest", "voice", "transcript", "motion", "keypoints")
INPUTS += ("reference", "reference_keypoints", "prepared", "unet")
"""Names of the options that are files which a command writes and reads."""


class UsageError(ValueError):
    """Options that do not go together."""


def command(commands, name: str, run: Callable[[argparse.Namespace], dict], text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    return parser


def refuse_overwriting(options: argparse.Namespace) -> None:
    """No command may replace what it reads, nor what it has just written."""
    outputs = [output for name in OUTPUTS if (output := getattr(options, name, None))]
    inputs = []
    for name in INPUTS:
        value = getattr(options, name, None)
        inputs += value if isinstance(value, list) else [value]
    for output in outputs:
        for read in filter(None, inputs):
            if Path(output).is_file() and Path(read).exists() and Path(output).samefile(read):
                raise ValueError(f"{output} is also what is read; choose another name for the output.")
    for first, second in combinations(outputs, 2):
        if write_target(first) == write_target(second):
            raise ValueError(f"{second} would be written twice; choose another name for one of the outputs.")


def refuse_empty(options: argparse.Namespace) -> None:
    """No option may be empty, as the variable of a script that was not set is, and then be passed over in silence.

    Raises:
        UsageError: naming the option.
    """
    for name, value in vars(options).items():
        if value == "" or isinstance(value, list) and "" in value:
            raise UsageError(f"{name.replace('_', '-')} is empty; say what it is, or leave it out.")


def refuse_idle(options: argparse.Namespace, **needs: str) -> None:
    """No option may be given in vain: each of these names another one that it needs.

    Raises:
        UsageError: the other one is missing.
    """
    for idle, needed in needs.items():
        if getattr(options, idle) is not None and getattr(options, needed) is None:
            raise UsageError(f"--{idle.replace('_', '-')} does nothing without --{needed}.")


def finding_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--min-score", type=within(0, 1), default=0.3, help="lower it for faces that are small, dark or turned"
    )
    parser.add_argument("--cache", metavar="FOLDER", help="where what was found and heard is kept; default: the user's")
    parser.add_argument("--no-cache", action="store_true", help="find, hear and encode anew and keep nothing of it")


def face_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keypoints", metavar="FACES.json", help="where the faces are, or FACES.csv; detected when not given"
    )
    finding_options(parser)
    parser.add_argument(
        "--speaker",
        default="prominent",
        metavar="RULE",
        help="how faces are counted: prominent (the default), largest, central, leftmost, rightmost, or a species",
    )
    parser.add_argument("--face", type=int, default=0, metavar="N", help="which of them speaks, from 0")


def life_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nod", type=within(-45, 45), default=0.0, metavar="DEGREES", help="nod on stressed syllables")
    parser.add_argument("--blinks", type=within(0, 40), default=0.0, metavar="PER_MINUTE", help="blink now and then")
    parser.add_argument(
        "--variation", type=number, default=0, metavar="N", help="another number: other blinks and poses"
    )


def voice_options(parser: argparse.ArgumentParser) -> None:
    """What is said, and how: VOICE or a text."""
    parser.add_argument("voice", metavar="VOICE", nargs="?", help="any sound or video file")
    parser.add_argument("--text", metavar="TEXT", help="what to say in place of VOICE; eSpeak NG speaks it")
    parser.add_argument("--speed", type=int, metavar="160", help="of the text, words a minute")
    parser.add_argument("--pitch", type=int, metavar="50", help="of the text's voice, 0 to 99")
    transcript_options(parser)
    parser.add_argument(
        "--recognise", action="store_true", help="without a transcript, understand English words first; slower, surer"
    )
    parser.add_argument("--style", choices=list(STYLES), default="natural", help="how the mouth moves")
    parser.add_argument("--strength", type=within(0, 2), default=1.0, metavar="1.0", help="how far it moves, 0 to 2")


def refuse_mumbling(options: argparse.Namespace) -> None:
    """Refuse what says nothing, twice something, or in vain how.

    Raises:
        UsageError: naming the options.
    """
    if (options.voice is None) == (options.text is None) and not (options.text is None and options.motion):
        raise UsageError("give either VOICE or --text.")
    if options.motion and options.text is not None:
        raise UsageError("--text does nothing beside --motion, which says already how the mouth moves.")
    for idle in ("transcript", "language"):
        if options.motion and getattr(options, idle) is not None:
            raise UsageError(f"--{idle} does nothing beside --motion, which says already how the mouth moves.")
    if options.transcript and options.text is not None:
        raise UsageError("--transcript does nothing beside --text, which is what is said.")
    if options.language is not None and options.transcript is None and options.text is None:
        raise UsageError("--language does nothing without --transcript or --text.")
    if options.recognise and (options.voice is None or options.transcript or options.motion):
        raise UsageError("--recognise is for VOICE without --transcript or --motion, whose words are known.")
    refuse_idle(options, speed="text", pitch="text")


def transcript_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--transcript", metavar="FILE", help="text of what VOICE says; makes the mouth surer")
    parser.add_argument("--language", help="of the transcript or text, as eSpeak NG names it; default: en-us")


def rate(text: str) -> Fraction:
    try:
        return to_frame_rate(text)
    except FormatError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def within(low: float, high: float, noun: str = "a number") -> Callable[[str], float]:
    """Reads an option that lies between two numbers."""

    def read(text: str) -> float:
        try:
            amount = float(text)
        except ValueError:
            amount = math.nan
        if not low <= amount <= high:
            raise argparse.ArgumentTypeError(f"expected {noun} from {low:g} to {high:g}, got {text}")
        return amount

    return read


def number(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text}")
    return int(text)


def choose_device(name: str | None) -> str:
    """What networks run on: the device of that name or, without one, a graphics card if there is one.

    Raises:
        UsageError: it is not there.
    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError):  # of another build, without a driver, no such name
        raise UsageError(f"There is no device {name} here; leave --device out, or give cpu.") from None
    return name


def channel(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        amount = float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected CHANNEL=NUMBER, got {text}") from None
    low, high = (-45, 45) if name.startswith("head_") else (0, 1)
    if name not in CHANNELS or not low <= amount <= high:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(CHANNELS)} within [{low}, {high}], got {text}")
    return name, amount
