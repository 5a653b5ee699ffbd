"""Many jobs on a Ray cluster, through Ray's own tasks: retries, placement and spilling are Ray's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from .batch import Job, Make, Result, attempt

CORES = 1
"""A job asks for; Ray lets its worker use as many threads."""
RETRIES = 3
"""Times a job is given to another worker when its own is lost."""
AHEAD = 2000
"""Jobs handed to the cluster at once."""


def run_on_ray(jobs: Iterable[Job], make: Make, *, folder: Path, address: str | None = None) -> Iterator[Result]:
    """Results in the order in which they are finished; `folder` must be reachable on every node by the same name.

    Args:
        address: of a running cluster; None starts one on this machine.

    Raises:
        ValueError: Ray is missing, or no cluster answers at the address.
    """
    try:
        import ray
    except ImportError:
        raise ValueError("Ray is not installed; run: pip install 'animal-lipsync[cluster]'") from None
    try:
        ray.init(address, log_to_driver=False, logging_level="warning", ignore_reinit_error=True)
    except ConnectionError as error:
        raise ValueError(f"No Ray cluster answers at {address}: {error}") from None
    task = ray.remote(num_cpus=CORES, max_retries=RETRIES)(_attempt_in)
    jobs, running = iter(jobs), {}
    try:
        while True:
            while len(running) < AHEAD and (job := next(jobs, None)):
                running[task.remote(str(folder), make, *job)] = job
            if not running:
                return
            (finished,), _ = ray.wait(list(running), num_returns=1)
            row, key = running.pop(finished)
            try:
                yield ray.get(finished)
            except ray.exceptions.RayError as error:
                yield Result(row.line, key, None, 0.0, f"lost by the cluster: {str(error).splitlines()[0]}")
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _attempt_in(folder: str, make: Make, row, key: str) -> Result:
    os.chdir(folder)
    return attempt(make, row, key)


def share_out_on_ray(task: str, jobs: Iterable[dict]) -> Iterator[tuple[dict, object | Exception]]:
    """As `workers.share_out`, on the cluster that this process is a worker of; a job's answers come when it is over."""
    import ray

    remote = ray.remote(num_cpus=CORES, max_retries=RETRIES)(_answers)
    running = {remote.remote(task, job): job for job in jobs}
    try:
        while running:
            (finished,), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(finished)
            try:
                answers = ray.get(finished)
            except ray.exceptions.RayError as error:
                answers = [RuntimeError(f"lost by the cluster: {str(error).splitlines()[0]}")]
            for answer in answers:
                yield job, answer
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _answers(task: str, job: dict) -> list:
    module, name = task.split(":")
    try:
        return list(getattr(import_module(f".{module}", __package__), name)(**job))
    except Exception as error:
        return [error]
