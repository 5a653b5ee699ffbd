"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from fractions import Fraction

from ..types import CHANNELS


def command(commands, name: str, run: Callable[[argparse.Namespace], dict], text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    return parser


def score_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--min-score", type=float, default=0.3, help="lower it for faces that are small, dark or turned"
    )


def face_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keypoints", metavar="FACES.json", help="where the faces are; detected when not given")
    score_option(parser)
    parser.add_argument("--face", type=int, default=0, metavar="N", help="which of them speaks, from 0")


def life_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nod", type=float, default=0.0, metavar="DEGREES", help="nod on stressed syllables")
    parser.add_argument("--blinks", type=float, default=0.0, metavar="PER_MINUTE", help="blink now and then")


def transcript_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--transcript", metavar="FILE", help="text of what VOICE says; makes the mouth surer")
    parser.add_argument("--language", default="en-us", help="of the transcript, as eSpeak NG names it")


def rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"frame rate must look like 25 or 30000/1001, got {text}") from None
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f"frame rate must lie above 0 and up to 1000, got {text}")
    return rate


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
