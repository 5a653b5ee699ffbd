"""Jobs shared out to processes of this library that answer in JSON lines while they work.

Unlike those of multiprocessing they need neither the program that started them nor its name for this package: inside
ComfyUI the one is a server and the other cannot be imported. They end with the program that started them.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from animal_lipsync.workers import serve; serve(*sys.argv[2:])"
PATIENCE = 0.5
"""Seconds without an answer after which the caller gets a chance to cancel."""


class WorkerDied(Exception):
    """The process that did a job ended in the middle of it."""


def share_out(task: str, jobs: Iterable[dict], *, workers: int) -> Iterator[tuple[dict, object | Exception] | None]:
    """Jobs with what they answer, in the order in which they do, or with why they failed; None now and then.

    Closing the generator ends the processes. What fails is an OSError, a RuntimeError or, where its process died, a
    `WorkerDied`; the other jobs go on.

    Args:
        task: "module:generator" of this package, called with a job's items as keywords; answers are JSON values.
    """
    waiting, answers, running = deque(jobs), Queue(), {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                worker = _Worker(task, answers)
                running[worker] = job = waiting.popleft()
                worker.ask(job)
            try:
                worker, answer = answers.get(timeout=PATIENCE)
            except Empty:
                yield None
                continue
            if worker not in running:  # the last word of one that was ended
                continue
            job = running[worker]
            if answer is None:
                del running[worker]
                yield job, WorkerDied("its process died; the memory may not be enough for it")
            elif "answer" in answer:
                yield job, answer["answer"]
            else:
                del running[worker]
                if waiting:
                    running[worker] = waiting.popleft()
                    worker.ask(running[worker])
                else:
                    worker.end()
                if answer["error"]:
                    yield job, {"OSError": OSError}.get(answer["kind"], RuntimeError)(answer["error"])
    finally:
        for worker in running:
            worker.end()


class _Worker:
    def __init__(self, task: str, answers: Queue):
        here = Path(__file__).resolve().parents[1]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(here), *task.split(":")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        Thread(target=self._listen, args=(answers,), daemon=True).start()

    def ask(self, job: dict) -> None:
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:  # it died, which `_listen` tells
            pass

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def _listen(self, answers: Queue) -> None:
        for line in self.process.stdout:
            answers.put((self, json.loads(line)))
        answers.put((self, None))


def serve(module: str, name: str) -> None:
    """What a worker does: the jobs that come in as lines, until there are no more."""
    import torch

    torch.set_num_threads(1)  # cores are shared out by jobs
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    task = getattr(import_module(f".{module}", __package__), name)
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin.buffer:
        failed = {"error": None}
        try:
            for answer in task(**json.loads(line)):
                answers.write(json.dumps({"answer": answer}) + "\n")
                answers.flush()
        except OSError as error:
            failed = {"error": str(error), "kind": "OSError"}
        except Exception as error:
            failed = {"error": repr(error), "kind": ""}
        answers.write(json.dumps(failed) + "\n")
        answers.flush()
