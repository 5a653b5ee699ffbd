"""A blind study: which of several systems people prefer, and how they rate them."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from .options import UsageError, command


def add(commands) -> None:
    parser = command(commands, "study", run, "Let people rate clips of several systems blindly, and rank them.")
    parser.add_argument(
        "systems", metavar="NAME=FOLDER", nargs="*", help="clips of a system, alike named in each folder"
    )
    parser.add_argument(
        "-o", "--output", metavar="STUDY", required=True, help="folder of the study: open its index.html"
    )
    parser.add_argument("--results", metavar="FILE", nargs="+", help="answers that raters sent back; ranks the systems")


def run(options: argparse.Namespace) -> dict:
    from ..study import KEY, make_study, read_answers, standings
    from .inputs import read_text

    folder = Path(options.output)
    if bool(options.systems) == bool(options.results):
        raise UsageError("Give NAME=FOLDER of each system to make a study, or --results to read one.")
    if options.results:
        try:
            key = json.loads(read_text(str(folder / KEY)))
        except json.JSONDecodeError as error:
            raise ValueError(f"{folder / KEY} is not what study wrote ({error}); take it from a copy.") from None
        found = standings(read_answers(key, [read_text(path) for path in options.results]))
        return {"videos": {standing.system: _flat(asdict(standing)) for standing in found}}
    systems = {}
    for text in options.systems:
        name, _, path = text.partition("=")
        if not name or not path or not Path(path).is_dir():
            raise UsageError(f"{text} is not NAME=FOLDER of a folder that exists.")
        systems[name] = Path(path)
    return {"page": str(folder / "index.html"), "pairs": make_study(systems, folder)}


def _flat(standing: dict) -> dict:
    scores = {"preferred": standing["strength"], **standing["ratings"]}
    return {"answers": standing["answers"], **{name: list(score.values()) for name, score in scores.items()}}
