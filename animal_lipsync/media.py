"""Files of sound and moving pictures, opened for reading."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import av

from .files import require_file

ANY_TITLE = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
"""PyAV 19 reads titles that are not UTF-8 by itself."""


@contextmanager
def open_media(path: str | os.PathLike, noun: str) -> Iterator[av.container.InputContainer]:
    """The file as FFmpeg sees it. Playlists (ffconcat, m3u8, sdp) and names such as "concat:a" open nothing else:
    FFmpeg is handed the open file and may use no protocol.

    Raises:
        ValueError: there is no such file, or nothing in it.
        av.FFmpegError, OSError: it cannot be read.
    """
    with open(os.fspath(require_file(path, noun)), "rb") as file:
        with av.open(file, options={"protocol_whitelist": ""}, **ANY_TITLE) as container:
            yield container
