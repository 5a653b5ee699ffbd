"""What one of the processes of `workers.py` does: the jobs that come in, until there are no more.

Run by its path, so that it does not matter which name the package was loaded under.
"""

import signal
import sys
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import torch


def serve(connection: Connection, task: str) -> None:
    torch.set_num_threads(1)  # cores are shared out by jobs
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    package, (module, name) = Path(__file__).parent, task.split(":")
    sys.path.insert(0, str(package.parent))
    steps = getattr(import_module(f"{package.name}.{module}"), name)
    with suppress(EOFError, BrokenPipeError):  # that program is gone
        while True:
            job, failure = connection.recv(), None
            try:
                for answer in steps(**job):
                    connection.send((False, answer))
            except BrokenPipeError:
                raise
            except OSError as error:
                failure = OSError(str(error))
            except Exception as error:
                failure = RuntimeError(repr(error))
            connection.send((True, failure))


serve(connection, task)  # noqa: F821 - given by `runpy.run_path`
