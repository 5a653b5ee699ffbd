"""Jobs for processes of their own; a module without PyTorch, because each of them imports it."""

import os
import signal
import time
from pathlib import Path

from animal_lipsync.batch import Row
from animal_lipsync.cache import FaceCache
from animal_lipsync.types import Faces


def write_source(row: Row) -> str:
    time.sleep(0.1)
    Path(row.options["output"]).write_text(row.options["source"])
    return row.options["output"]


def write_or_die(row: Row) -> str:
    if row.options["source"] == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return write_source(row)


def keep_and_read(folder: Path, faces: Faces) -> bool:
    """Whether whatever a cache gives back beside others that write to it is whole."""
    cache, wrong = FaceCache(folder, limit=20_000), 0
    for t in range(60):
        cache.put(f"key{t % 4}", faces)
        kept = cache.get(f"key{t % 4}")
        wrong += kept is not None and kept.to_json() != faces.to_json()
    return not wrong
