"""The command line: `animal-lipsync COMMAND`. Names and defaults are those of the nodes."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .commands import (
    animate,
    batch,
    compare,
    demo,
    detect,
    evaluate,
    frame,
    models,
    motion,
    prepare,
    prepare_clips,
    study,
    train,
)
from .commands.options import UsageError, refuse_empty, refuse_overwriting
from .memory import memory_told

COMMANDS = (
    animate,
    detect,
    motion,
    frame,
    batch,
    evaluate,
    study,
    compare,
    models,
    prepare,
    prepare_clips,
    train,
    demo,
)

SETTLING = 3.0
"""Seconds in which what was begun is removed, undisturbed by a second Ctrl-C."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 on success, 1 on failure with one line on stderr, 2 on bad usage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger(__package__).setLevel(logging.INFO)
    with _stoppable():
        try:
            refuse_empty(options)
            refuse_overwriting(options)
            with memory_told():
                report = options.run(options)
            if report:  # of several that work together only one has something to say
                _print(json.dumps(report) if options.json else _in_words(report))
        except (ValueError, OSError) as error:
            text = re.sub(r"^\[Errno \d+\] ", "", str(error))
            if getattr(error, "filename", None):  # in the system's words, which name no remedy
                text = f"{error.filename}: {error.strerror}; check the name, the permissions and the free space."
            _say(f"animal-lipsync: {' '.join(text.splitlines())}", sys.stderr)
            return 2 if isinstance(error, UsageError) else 1
        except KeyboardInterrupt:
            _say("animal-lipsync: cancelled; no unfinished file is left.", sys.stderr)
            return 1
    return 1 if report.get("failed") else 0


def _in_words(report: dict) -> str:
    if "times_real_time" in report:
        size, speed = f"{report['width']} x {report['height']}", f"{report['times_real_time']} s of video per second"
        return (
            f"Your video: {Path(report['output']).resolve()}\n"
            f"{report['duration_s']} s at {size}, made in {report['seconds']} s ({speed})"
        )
    if "faces" in report:
        found = ", ".join(f"{face['id']}: {face['species']} ({face['score']})" for face in report["faces"])
        noun = "face" if len(report["faces"]) == 1 else "faces"
        return f"{len(report['faces'])} {noun}: {found}" if found else "No face was found."
    if "videos" in report:
        return "\n\n".join(f"{name}\n{_lines(figures)}" for name, figures in report["videos"].items())
    return _lines(report)


def _lines(report: dict) -> str:
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in report.items() if value is not None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="animal-lipsync", description="Make a picture or clip of an animal speak.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C, `kill` and a closed terminal raise KeyboardInterrupt here, so that what was begun is removed.

    A second Ctrl-C does not interrupt the removal.
    """
    stopped = -SETTLING

    def stop(*_) -> None:
        nonlocal stopped
        if time.monotonic() - stopped >= SETTLING:
            stopped = time.monotonic()
            raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}
    heeded = [number for number in numbers if handlers[number] != signal.SIG_IGN]  # nohup ignores some
    for number in heeded:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, handlers[number])


def _print(text: str) -> None:
    try:
        _say(text, sys.stdout)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python fails once more when it ends
        raise OSError(f"Done, but the report cannot be printed ({error.strerror}).") from None


def _say(text: str, stream) -> None:
    if stream is None:  # closed by the caller
        return
    stream.reconfigure(errors="backslashreplace")  # a file's name may not be text
    stream.write(text + "\n")
    stream.flush()
