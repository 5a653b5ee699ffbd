"""Pictures and videos in and out of the nodes: streamed, with progress, a preview and Cancel."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import folder_paths
import numpy as np
import torch
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar
from comfy_api.latest import Input, InputImpl, io, ui
from PIL import Image

from ..animal_lipsync import video_writer
from ..animal_lipsync.clip import Clip
from ..animal_lipsync.image import write_picture
from ..animal_lipsync.types import Audio
from ..animal_lipsync.video import pingpong_indices, probe
from .types import to_audio, to_pixel_frames, to_rate

PREVIEW_SECONDS = 1.0
PREVIEW_SIZE = 512  # pixels


class Source(NamedTuple):
    clip: Clip
    sound: Path | Audio | None
    """Of a video; None where it is silent."""


@contextmanager
def open_source(source, frame_rate: float = 25.0) -> Iterator[Source]:
    """What a VIDEO or an IMAGE shows; an IMAGE is one picture, or a batch that is a clip at `frame_rate`.

    A VIDEO keeps its own rate and is decoded as it is read.
    """
    if isinstance(source, torch.Tensor):
        yield Source(_from_images(source, to_rate(frame_rate)), None)
    elif isinstance(source, InputImpl.VideoFromComponents):
        components = source.get_components()
        clip = _from_images(components.images, Fraction(components.frame_rate))
        yield Source(clip, components.audio and to_audio(components.audio))
    elif isinstance(source, Input.Video):
        stream = source.get_stream_source()
        is_trimmed = source.get_active_trim_window() != (0, 0)
        if isinstance(stream, str) and not is_trimmed:
            yield _from_file(Path(stream))
        else:
            path = result_file()
            try:
                if is_trimmed:
                    source.save_to(str(path), crf=0)
                else:
                    path.write_bytes(stream.getbuffer())
                yield _from_file(path)
            finally:
                path.unlink(missing_ok=True)
    else:
        raise ValueError(
            f"The source is neither a picture nor a video but {type(source).__name__}; some packs send a file name "
            "where VIDEO stands. Use Load Video or Create Video."
        )


def _from_file(path: Path) -> Source:
    return Source(Clip.open(path), path if probe(path).has_audio else None)


def _from_images(images: torch.Tensor, frame_rate: Fraction) -> Clip:
    frames, height, width = images.shape[:3]
    if frames == 1:
        return Clip.from_picture(next(to_pixel_frames(images, [0])), frame_rate=frame_rate)
    order = partial(pingpong_indices, frames)
    return Clip(width, height, frame_rate, frames, lambda count: to_pixel_frames(images, order(count)))


def with_progress(frames: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The same frames, moving the node's progress bar, until the artist presses Cancel.

    About once a second the bar shows the frame it has come to.
    """
    bar = ProgressBar(count)
    shown = time.monotonic()
    for index, frame in enumerate(frames, 1):
        throw_exception_if_processing_interrupted()
        preview = None
        if time.monotonic() - shown > PREVIEW_SECONDS:
            preview, shown = ("JPEG", Image.fromarray(frame), PREVIEW_SIZE), time.monotonic()
        bar.update_absolute(index, preview=preview)
        yield frame


def result_file() -> Path:
    """A new mp4 in ComfyUI's temp folder, which is emptied when the server starts."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"animal-lipsync-{uuid4().hex[:12]}.mp4"


def show(path: Path) -> tuple[InputImpl.VideoFromFile, ui.PreviewVideo]:
    """A finished `result_file` as VIDEO, and as what the node shows of it."""
    result = ui.SavedResult(path.name, "", io.FolderType.temp)
    return InputImpl.VideoFromFile(str(path)), ui.PreviewVideo([result])


def shown_file(source, clip: Clip) -> str:
    """A file that shows a source, named as ComfyUI's loaders name files; made in the temp folder if there is none."""
    if clip.frames == 1:
        path = result_file().with_suffix(".jpg")
        write_picture(path, next(clip.read(1)))
        return f"{path.name} [temp]"
    if clip.path is not None and str(clip.path) == source.get_stream_source():
        for kind in ("input", "output", "temp"):
            folder = Path(folder_paths.get_directory_by_type(kind)).resolve()
            if clip.path.resolve().is_relative_to(folder):
                return f"{clip.path.resolve().relative_to(folder).as_posix()} [{kind}]"
    video, _ = write_video(clip.read(clip.frames), clip, None, 18)
    return f"{Path(video.get_stream_source()).name} [temp]"


def write_video(frames: Iterable[np.ndarray], clip: Clip, sound: Path | Audio | None, crf: int):
    """A `result_file` of these frames with the sound of their source, as `show` gives it."""
    output = result_file()
    for _ in video_writer.write_video(output, frames, clip.width, clip.height, clip.frame_rate, sound=sound, crf=crf):
        pass
    return show(output)
