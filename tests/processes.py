"""Processes that were started by others."""

from pathlib import Path


def children(pid: int) -> list[int]:
    """Of a process, as /proc knows them; not the one by which multiprocessing tidies up after it."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            is_tracker = b"resource_tracker" in (path / "cmdline").read_bytes()
            state, parent = (path / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:  # it has ended
            continue
        if int(parent) == pid and state != "Z" and not is_tracker:
            found.append(int(path.name))
    return found
