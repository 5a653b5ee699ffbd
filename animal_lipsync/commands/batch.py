"""A table of pictures and voices becomes a folder of videos."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ..batch import Journal, Row, read_manifest, row_key, run_here, workers_here
from ..files import require_output, write_target
from ..memory import memory_told
from . import animate
from .options import command, refuse_overwriting


def add(commands) -> None:
    parser = command(commands, "batch", run, "Animate every row of a table; go on where an earlier run stopped.")
    parser.add_argument(
        "manifest",
        metavar="MANIFEST",
        help="CSV or JSON lines; columns are source, voice, output and any other option of animate. Names of files "
        "count from its folder.",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="rows made at once; default: as many as fit")
    parser.add_argument(
        "--ray", nargs="?", const=True, metavar="ADDRESS", help="on a Ray cluster; without an address on a local one"
    )
    parser.add_argument("--report", metavar="OUT.jsonl", help="a line for each row; default: beside MANIFEST")


def run(options: argparse.Namespace) -> dict:
    from tqdm import tqdm

    manifest = write_target(options.manifest)
    folder = manifest.parent
    rows = read_manifest(manifest, columns())
    _refuse_sharing(rows)
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers must be 1 or more, got {options.workers}.")
    journal = Journal(write_target(options.report or manifest.with_suffix(".results.jsonl")))
    require_output(journal.path, ".jsonl", or_stream=True)
    start = time.perf_counter()
    jobs = [(row, row_key(row, folder)) for row in rows]
    due = [(row, key) for row, key in jobs if not journal.has(key, folder)]
    if options.ray is not None:
        from ..cluster import run_on_ray

        results = run_on_ray(due, make, folder=folder, address=None if options.ray is True else options.ray)
    else:
        results = run_here(due, make, workers=min(options.workers or workers_here(), max(len(due), 1)), folder=folder)
    failed = 0
    bar = tqdm(results, initial=len(jobs) - len(due), total=len(jobs), unit="row", disable=options.json)
    for result in bar:
        journal.add(result)
        if not result.is_done:
            failed += 1
            tqdm.write(f"line {result.line}: {result.error}", file=sys.stderr)
    return {
        "report": str(journal.path),
        "rows": len(jobs),
        "made": len(due) - failed,
        "skipped": len(jobs) - len(due),
        "failed": failed,
        "seconds": round(time.perf_counter() - start, 3),
    }


def columns() -> list[str]:
    """Options of `animate`, as a manifest names them."""
    return [name for name in vars(_arguments(["picture", "voice"])) if name != "json"]


def make(row: Row) -> str:
    """Animate one row.

    Raises:
        ValueError: it has no source, or `animate` refuses it.
    """
    if "source" not in row.options:
        raise ValueError("the row has no source.")
    named = {name: value for name, value in row.options.items() if name not in ("source", "voice")}
    files = [row.options[name] for name in ("source", "voice") if name in row.options]
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in named.items()]
    options = _arguments([*flags, "--", *files])
    options.output = options.output or animate.default_output(options.source)  # a row replaces what it made before
    refuse_overwriting(options)
    Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    with memory_told():
        return animate.run(options)["output"]


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = _RowParser(add_help=False, allow_abbrev=False)
    animate.arguments(parser)
    return parser.parse_args(arguments, argparse.Namespace(json=True))


class _RowParser(argparse.ArgumentParser):
    def error(self, message: str):
        raise ValueError(message)


def _refuse_sharing(rows: list[Row]) -> None:
    """No row may write over another's video."""
    owner: dict[str, int] = {}
    for row in rows:
        source = row.options.get("source", "")
        output = row.options.get("output") or animate.default_output(source)
        other = owner.setdefault(str(Path(output)), row.line)
        if other != row.line:
            raise ValueError(f"Lines {other} and {row.line} both write {output}; give them outputs of their own.")
