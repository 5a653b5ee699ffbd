"""Results kept in a folder for the next run, by what they were made of; what was not used for longest goes first.

Any number of programs may use one folder; one that cannot be written, or an entry that is damaged, only costs time.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from .files import beside

logger = logging.getLogger(__name__)

T = TypeVar("T")

LIMIT = 1_000_000_000
"""Bytes of a folder; 80 minutes of a voice or 30,000 faces."""


class Keeper:
    """Files by key.

    Args:
        noun: what they hold, in messages.
        limit: bytes of the folder.
    """

    def __init__(self, folder: str | os.PathLike, suffix: str, *, noun: str, limit: int = LIMIT):
        self.folder = Path(folder)
        self.suffix = suffix
        self.noun = noun
        self.limit = limit

    def get(self, key: str, read: Callable[[Path], T]) -> T | None:
        """What `read` makes of the file kept under this key; None when there is none, or it is damaged."""
        path = self.folder / f"{key}{self.suffix}"
        try:
            if not path.exists():
                return None
            value = read(path)
        except Exception as error:  # the folder may be closed, and a damaged file raises almost anything
            logger.warning("The %s kept in %s cannot be read (%s); they are looked for again.", self.noun, path, error)
            return None
        with suppress(OSError):
            os.utime(path)
        return value

    def put(self, key: str, write: Callable[[Path], object]) -> None:
        """Keep what `write` writes to the file that it is given; what is under the key now is replaced as a whole."""
        path = self.folder / f"{key}{self.suffix}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with beside(path) as partial:
                write(partial)
                os.replace(partial, path)
            self._shrink()
        except OSError as error:
            logger.warning("The %s are not kept for the next run: %s (%s).", self.noun, self.folder, error.strerror)

    def _shrink(self) -> None:
        entries = []
        for path in self.folder.glob(f"[!.]*{self.suffix}"):
            with suppress(FileNotFoundError):  # another program made room too
                entries.append((path.stat().st_mtime, path.stat().st_size, path))
        excess = sum(size for _, size, _ in entries) - self.limit
        for _, size, path in sorted(entries)[:-1]:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size
