"""Many jobs: the rows of a table, each a call of `animate`, made by all cores and taken up again where they stopped.

Knows nothing of what a job does; `make` is given a row and returns what it made.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

ROOM = 1.3e9
"""Bytes a job of 1080p needs, with some to spare."""


@dataclass(frozen=True)
class Row:
    line: int
    """Of the table, from 1; the heading of a CSV is line 1."""
    options: dict[str, str]
    """What its columns say; empty cells are left out."""


@dataclass(frozen=True)
class Result:
    line: int
    key: str
    """`row_key` of the row it was made from."""
    output: str | None
    seconds: float
    error: str | None = None

    @property
    def is_done(self) -> bool:
        return self.error is None


def read_manifest(path: str | os.PathLike, columns: Iterable[str]) -> list[Row]:
    """The rows of a table: CSV with a heading, or JSON lines with an object each.

    Raises:
        ValueError: it is empty or torn, or has columns that are none of `columns`.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise ValueError(f"Cannot read the manifest {path} ({reason}).") from None
    if path.suffix.lower() == ".csv":
        table = csv.DictReader(io.StringIO(text), restkey="", restval="")
        try:
            found = [(table.line_num, record) for record in table]
        except csv.Error as error:
            raise ValueError(f"{path}, line {table.line_num}: {error}.") from None
        names = set(table.fieldnames or ())
    else:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        found = [(number, _record(line, path, number)) for number, line in lines]
        names = {name for _, record in found for name in record}
    unknown = sorted(names - set(columns))
    if unknown:
        named = ", ".join(repr(name[:30]) for name in unknown[:3])
        raise ValueError(f"{path} has columns {named}; it may have source, voice, output and any option of animate.")
    rows = []
    for number, record in found:
        if "" in record:
            raise ValueError(f"{path}, line {number} has more cells than the heading; put quotes round a comma.")
        rows.append(Row(number, {name: str(value) for name, value in record.items() if value not in ("", None)}))
    if not rows:
        raise ValueError(f"{path} has no rows.")
    return rows


def _record(line: str, path: Path, number: int) -> dict:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}, line {number} is not JSON: {error}.") from None
    if not isinstance(record, dict) or any(isinstance(value, dict | list) for value in record.values()):
        raise ValueError(f"{path}, line {number} must be an object of texts and numbers.")
    return record


def row_key(row: Row, folder: Path) -> str:
    """What tells a job from others: its options and the content of the files they name. The output's name counts too,
    its content does not."""
    options = {}
    for name, value in sorted(row.options.items()):
        file = folder / value
        is_input = name != "output" and len(value) < 4096 and file.is_file()
        options[name] = _digest(file, file.stat().st_mtime_ns) if is_input else value
    return hashlib.blake2b(json.dumps(options).encode(), digest_size=16).hexdigest()


@cache
def _digest(path: Path, changed: int) -> str:
    digest = hashlib.blake2b()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class Journal:
    """The results of a manifest as JSON lines beside it: the report, and what a later run need not do again."""

    def __init__(self, path: Path):
        self.path = path
        self.done: dict[str, Result] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    result = Result(**json.loads(line))
                except (ValueError, TypeError):  # the line at which a machine died
                    continue
                self.done[result.key] = result

    def has(self, key: str, folder: Path) -> bool:
        """Whether that job was finished and its output is still there."""
        result = self.done.get(key)
        return result is not None and result.is_done and (folder / result.output).is_file()

    def add(self, result: Result) -> None:
        """
        Raises:
            OSError: there is no room for it; naming the report.
        """
        self.done[result.key] = result
        try:
            with open(self.path, "a+", encoding="utf-8") as file:
                if file.tell() and not self._ends_a_line():
                    file.write("\n")
                file.write(json.dumps(asdict(result)) + "\n")
        except OSError as error:
            reason = f"({error.strerror}); make room and start again, what is made will be skipped."
            raise OSError(error.errno, f"Cannot write the report {self.path} {reason}") from None

    def _ends_a_line(self) -> bool:
        with open(self.path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def workers_here() -> int:
    """How many jobs this machine holds at once, by its cores and its memory."""
    # a container or `taskset` may leave fewer than there are
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows does not say
        return cores
    return max(1, min(cores, int(memory // ROOM)))


Make = Callable[[Row], str]
"""Does a row's job and returns the name of what it made; runs in a process of its own."""
Job = tuple[Row, str]
"""A row and its key."""


def run_here(jobs: Iterable[Job], make: Make, *, workers: int, folder: Path) -> Iterator[Result]:
    """Results in the order in which they are finished, from `workers` processes that work in `folder`.

    A process that dies, e.g. for want of memory, takes its row down and no other: those that ran beside it are run
    again, one at a time. Closing the generator ends the processes.
    """
    waiting, suspects = deque(jobs), deque()
    while waiting or suspects:
        alone = bool(suspects)
        queue, room = (suspects, 1) if alone else (waiting, workers)
        running: dict[Future, Job] = {}
        pool = ProcessPoolExecutor(room, get_context("spawn"), _start_worker, (folder,))
        try:
            while queue or running:
                while queue and len(running) < room:
                    job = queue.popleft()
                    running[pool.submit(attempt, make, *job)] = job
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    del running[future]
                    yield result
        except BrokenProcessPool:
            if alone:
                (row, key), *_ = running.values()
                yield Result(row.line, key, None, 0.0, "its process died twice; the memory may not be enough for it.")
            else:
                suspects.extend(running.values())
        finally:
            pool.shutdown(wait=not running, cancel_futures=True)
            for child in active_children() if running else ():
                child.terminate()


def attempt(make: Make, row: Row, key: str) -> Result:
    """One row's result; whatever goes wrong with it is written down there and stops no other."""
    start = time.perf_counter()
    try:
        output, error = make(row), None
    except Exception as problem:
        output, error = None, str(problem) if isinstance(problem, ValueError | OSError) else repr(problem)
    return Result(row.line, key, output, round(time.perf_counter() - start, 3), error)


def _start_worker(folder: Path) -> None:
    import torch

    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()
    torch.set_num_threads(1)  # cores are shared out by rows
    os.chdir(folder)


def _end_with(parent: BaseProcess) -> None:
    """A killed parent tells its workers nothing; they would wait for rows for ever."""
    parent.join()
    os._exit(1)
