"""Jobs shared out to processes that answer while they work.

The processes import this package by its name, so a program that has loaded it under another one, as ComfyUI does, works
alone.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

PATIENCE = 0.5
"""Seconds without an answer after which the caller gets a chance to cancel."""


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
                process = context.Process(target=_serve, args=(theirs, *task.split(":")), daemon=True)
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


def _serve(connection: Connection, module: str, name: str) -> None:
    """What a worker does: the jobs that come in, until there are no more."""
    import torch

    torch.set_num_threads(1)  # cores are shared out by jobs
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    task = getattr(import_module(f".{module}", __package__), name)
    with suppress(EOFError, BrokenPipeError):  # that program is gone
        while True:
            job, failure = connection.recv(), None
            try:
                for answer in task(**job):
                    connection.send((False, answer))
            except BrokenPipeError:
                raise
            except OSError as error:
                failure = OSError(str(error))
            except Exception as error:
                failure = RuntimeError(repr(error))
            connection.send((True, failure))
