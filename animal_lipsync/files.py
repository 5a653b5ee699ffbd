"""Files on disk: looked at before they are read, and seen under their name only when complete.

Knows nothing of what is in them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain, count
from pathlib import Path
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

DAY = 24 * 3600
"""Seconds after which an unfinished file is nobody's any more, where it cannot be told who holds it."""


def require_file(path: str | os.PathLike, noun: str) -> Path:
    """`path`, if it is a file that can be read and holds anything; a pipe, on which reading would wait, is none.

    Raises:
        ValueError: naming the `noun` and the remedy.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise ValueError(f"There is no {noun} at {path}; check the name.")
        with open(path, "rb") as file:
            if not file.read(1):
                raise ValueError(f"The {noun} {path} is empty (0 bytes); save or download it again.")
    except OSError as error:
        why = f"({error.strerror}); check its name and permissions."
        raise ValueError(f"The {noun} {path} cannot be read {why}") from None
    return path


def require_output(path: str | os.PathLike, *suffixes: str, or_stream: bool = False) -> None:
    """Refuse at once what could only be found out when the work is done and cannot be written.

    Args:
        suffixes: those the name may end in.
        or_stream: it may also be a device or pipe, such as /dev/stdout.

    Raises:
        ValueError: the name has another suffix, or is no file.
        OSError: the folder is missing or closed, or the file is write-protected.
    """
    path = Path(path)
    if or_stream and (_is_stream(path) or path.parent == Path("/dev")):  # /dev/stdout may be a file of any name
        return
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"The output must be a name that ends in {' or '.join(suffixes)}, got {path}.")
    if path.exists() and not path.is_file():
        raise ValueError(f"The output {path} is there already and is no file; choose another name.")
    folder = write_target(path).parent
    if not os.access(folder, os.W_OK | os.X_OK):
        reason = "Permission denied" if folder.is_dir() else "No such folder"
        raise OSError(f"Cannot write {path} ({reason}); check the folder.")
    if path.exists() and not os.access(path, os.W_OK):
        raise OSError(f"Cannot write {path} (it is write-protected); choose another name, or allow it to be written.")


def _is_stream(path: Path) -> bool:
    """Whether this is a device or pipe, which is written to and never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def free_name(path: str) -> str:
    """`path`, or where something is there already its first number that is free: talking-2.mp4."""
    stem, suffix = os.path.splitext(path)
    names = chain([path], (f"{stem}-{number}{suffix}" for number in count(2)))
    return next(name for name in names if not os.path.lexists(name))


def write_target(path: str | os.PathLike) -> Path:
    """The file that writing to `path` replaces: where it is a link, what it points to; of links in a circle, itself."""
    return Path(os.path.realpath(path))


@contextmanager
def held(path: Path) -> Iterator[bool | None]:
    """Whether this program holds a file or folder, until the block ends or the program does: False if another one does
    or took it away, None where it cannot be told, as on Windows."""
    if fcntl is None:
        yield None
        return
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_mine = True
        except BlockingIOError:
            is_mine = False
        except OSError:  # a file system without locks
            is_mine = None
        yield is_mine
    finally:
        os.close(handle)


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A name on the same disk, to write to before it replaces `target`; gone when the block ends.

    It lies in a hidden folder, because those who write may begin files of their own beside it, as safetensors does.
    What programs that were killed left in such folders is removed first.
    """
    _sweep(target.parent)
    while True:
        folder = target.with_name(f".{target.stem[:20]}-{uuid4().hex[:8]}.partial")
        folder.mkdir()
        with held(folder) as is_mine:
            if is_mine is not False and folder.exists():  # else another program's sweep came in between
                try:
                    yield folder / f"new{target.suffix}"  # short, for Windows, where paths end at 260 characters
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
                return


@cache
def _sweep(parent: Path) -> None:
    """Remove what is unfinished and in nobody's hands, once per program: folders may be large."""
    for folder in parent.glob(".*-" + 8 * "[0-9a-f]" + ".partial"):
        with suppress(OSError), held(folder) as is_mine:
            if is_mine or is_mine is None and time.time() - folder.stat().st_mtime > DAY:
                shutil.rmtree(folder)


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A name to write to, which takes the place of `path` if the block ends well and is gone if not.

    A device or pipe is written to under its own name.

    Raises:
        OSError: naming `path` and the remedy.
    """
    path = Path(path)
    try:
        if _is_stream(path):
            yield path
            return
        target = write_target(path)
        with beside(target) as partial:
            yield partial
            os.replace(partial, target)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(error.errno, f"Cannot write {path} ({reason}); check the folder and the free space.") from None


def make_folder(path: Path) -> None:
    """A folder and those above it, where they are not there yet.

    Raises:
        OSError: naming `path` and the remedy.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"({error.strerror}); check its name and the permissions of the folder above it."
        raise OSError(error.errno, f"Cannot make the folder {path} {remedy}") from None


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` as UTF-8.

    Raises:
        OSError: as `replacing`.
    """
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
