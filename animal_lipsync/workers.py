"""Jobs shared out to processes that answer while they work.

They import this package from its folder, so it may have been loaded under any name; where that is another one than its
own, as in ComfyUI, a job may hold none of its objects.
"""

from __future__ import annotations

import runpy
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from types import ModuleType

PATIENCE = 0.5
"""Seconds without an answer after which the caller gets a chance to cancel."""
WORKER = Path(__file__).with_name("worker.py")


class WorkerDied(Exception):
    """The process that did a job ended in the middle of it."""


def share_out(task: str, jobs: Iterable[dict], *, workers: int) -> Iterator[tuple[dict, object | Exception] | None]:
    """Jobs with what they answer, in the order in which they do, or with why they failed; None now and then.

    Closing the generator ends the processes. What fails is an OSError, a RuntimeError or, where its process died, a
    `WorkerDied`; the other jobs go on.

    Args:
        task: "module:generator" of this package, called with a job's items as keywords.
    """
    context, waiting, running = get_context("spawn"), deque(jobs), {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                ours, theirs = context.Pipe()
                given = {"connection": theirs, "task": task}
                process = context.Process(target=runpy.run_path, args=(str(WORKER), given), daemon=True)
                with _no_main_module():
                    process.start()
                theirs.close()
                running[ours] = process, waiting.popleft()
                ours.send(running[ours][1])
            ready = wait(running, PATIENCE)
            if not ready:
                yield None
            for connection in ready:
                process, job = running[connection]
                try:
                    is_over, answer = connection.recv()
                except (EOFError, OSError):
                    is_over, answer = True, WorkerDied("its process died; the memory may not be enough for it")
                if isinstance(answer, WorkerDied) or is_over and not waiting:
                    del running[connection]
                    process.kill()
                elif is_over:
                    running[connection] = process, waiting.popleft()
                    with suppress(OSError):  # it died meanwhile, which `recv` tells
                        connection.send(running[connection][1])
                if answer is not None:
                    yield job, answer
    finally:
        for process, _ in running.values():
            process.kill()
            process.join()


@contextmanager
def _no_main_module() -> Iterator[None]:
    """A process that is started here does not run the program's main module first: ComfyUI's is a whole server."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
