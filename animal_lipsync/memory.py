"""Want of memory, told from damaged files: Python, PyTorch and FFmpeg each have an error of their own for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

SAID = re.compile("allocate memory|out of memory|not enough memory|start new thread", re.IGNORECASE)
"""By PyTorch, whose errors on processor and graphics cards have no class in common, and by systems."""
EXTERNAL = 542398533
"""FFmpeg's AVERROR_EXTERNAL, all that it tells of x264, which has no other reason to give up a video that it began."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was no memory left, beside the processor or on a graphics card."""
    if isinstance(error, OSError) and error.errno == EXTERNAL:
        return True
    return isinstance(error, MemoryError) or isinstance(error, RuntimeError | OSError) and bool(SAID.search(str(error)))


@contextmanager
def memory_told() -> Iterator[None]:
    """
    Raises:
        OSError: in place of whatever the block raises for want of memory; with the remedy.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OSError("There is not enough memory for this; close other programs or take a smaller picture.") from None
