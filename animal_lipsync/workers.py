"""Jobs shared out to processes that answer while they work.

They are programs of their own: `multiprocessing` would have each run the main module of the program that it serves, and
ComfyUI's is a whole server. They import this package from its folder, so it may have been loaded under any name; where
that is another one than its own, as in ComfyUI, a job may hold none of its objects.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

PATIENCE = 0.5
"""Seconds without an answer after which the caller gets a chance to cancel."""
PROGRAM = "import sys; sys.path[:] = {path}; from {package}.workers import serve; serve()"
UNSEEN = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Windows opens a console for a process that is started by a program without one."""


class WorkerDied(Exception):
    """The process that did a job ended in the middle of it."""


def share_out(task: str, jobs: Iterable[dict], *, workers: int) -> Iterator[tuple[dict, object | Exception] | None]:
    """Jobs with what they answer, in the order in which they do, or with why they failed; None now and then.

    Closing the generator ends the processes. What fails is an OSError, a RuntimeError or, where its process died, a
    `WorkerDied`; the other jobs go on.

    Args:
        task: "module:generator" of this package, called with a job's items as keywords; what it yields is small.
    """
    answers: Queue[tuple[_Worker, bool, object]] = Queue()
    waiting, running = deque(jobs), {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                worker, job = _Worker(task, answers), waiting.popleft()
                running[worker] = job
                worker.give(job)
            try:
                worker, is_over, answer = answers.get(timeout=PATIENCE)
            except Empty:
                yield None
                continue
            if worker not in running:  # it was ended
                continue
            job = running[worker]
            if isinstance(answer, WorkerDied) or is_over and not waiting:
                del running[worker]
                worker.end()
            elif is_over:
                running[worker] = waiting.popleft()
                worker.give(running[worker])
            if answer is not None:
                yield job, answer
    finally:
        for worker in running:
            worker.end()


class _Worker:
    def __init__(self, task: str, answers: Queue):
        package = Path(__file__).parent
        program = PROGRAM.format(path=[str(package.parent), *sys.path], package=package.name)
        command = [sys.executable, "-c", program, task]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, creationflags=UNSEEN, **streams)
        Thread(target=self._listen, args=(answers,), daemon=True).start()

    def give(self, job: dict) -> None:
        with suppress(OSError):  # it died, which `_listen` tells
            self._process.stdin.write(pickle.dumps(job))
            self._process.stdin.flush()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        with suppress(OSError):
            self._process.stdin.close()

    def _listen(self, answers: Queue) -> None:
        with self._process.stdout as stream, suppress(EOFError, pickle.UnpicklingError):
            while True:
                answers.put((self, *pickle.load(stream)))
        answers.put((self, True, WorkerDied("its process died; the memory may not be enough for it")))


def serve() -> None:
    """What a worker does: the jobs that come in, until there are no more."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what anybody prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    import torch

    torch.set_num_threads(1)  # cores are shared out by jobs
    module, name = sys.argv[1].split(":")
    task = getattr(import_module(f".{module}", __package__), name)

    def tell(is_over: bool, answer) -> None:
        try:
            answers.write(pickle.dumps((is_over, answer)))
        except OSError:  # that program is gone
            sys.exit()

    with suppress(EOFError):  # likewise
        while True:
            job, failure = pickle.load(sys.stdin.buffer), None
            try:
                for answer in task(**job):
                    tell(False, answer)
            except OSError as error:
                failure = OSError(str(error))
            except Exception as error:
                failure = RuntimeError(repr(error))
            tell(True, failure)
