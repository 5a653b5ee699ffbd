"""Jobs for the tests of batches; a module of its own, because every process of a batch imports it."""

import os
import signal
import time
from pathlib import Path

from animal_lipsync.batch import Row


def write_source(row: Row) -> str:
    time.sleep(0.1)
    Path(row.options["output"]).write_text(row.options["source"])
    return row.options["output"]


def write_or_die(row: Row) -> str:
    if row.options["source"] == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return write_source(row)
