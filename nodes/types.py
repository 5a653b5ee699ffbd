"""The pack's own sockets, and the only conversions between ComfyUI's values and the library's.

ANIMAL_FACES  `Faces`: every animal of one picture or video.
ANIMAL_FACE   `Faces` with exactly one track: the animal that speaks.
MOUTH_MOTION  `MouthMotion`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from uuid import uuid4

import folder_paths
import numpy as np
import torch
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar
from comfy_api.latest import Input, InputImpl, io
from PIL import Image

from ..animal_lipsync.clip import Clip
from ..animal_lipsync.image import to_frames, to_pixels
from ..animal_lipsync.types import Audio, Faces, FaceTrack
from ..animal_lipsync.video import pingpong_indices

CATEGORY = "Animal Lip-Sync"
PREVIEW_SECONDS = 1.0
PREVIEW_SIZE = 512  # pixels

AnimalFaces = io.Custom("ANIMAL_FACES")
AnimalFace = io.Custom("ANIMAL_FACE")
Motion = io.Custom("MOUTH_MOTION")


def to_audio(voice: dict | None) -> Audio:
    """The library's `Audio` of an AUDIO value, whose `waveform` is (B, C, S).

    Raises:
        ValueError: there is no sound, or more than one recording.
    """
    if voice is None:
        raise ValueError("The voice is empty: what it comes from has no sound. Connect a recording, e.g. Load Audio.")
    if len(voice["waveform"]) != 1:
        raise ValueError(f"The voice holds {len(voice['waveform'])} recordings; connect one.")
    return Audio(voice["waveform"][0].float().cpu().numpy(), voice["sample_rate"])


def from_audio(audio: Audio) -> dict:
    return {"waveform": torch.from_numpy(audio.waveform)[None], "sample_rate": audio.sample_rate}


def to_rate(frame_rate: float) -> Fraction:
    """Frames per second as a fraction: 29.97002997 is 30000/1001."""
    return Fraction(frame_rate).limit_denominator(1001)


def to_pixel_frames(images: torch.Tensor, indices) -> Iterator[np.ndarray]:
    """uint8 (H, W, 3) of each of these pictures of an IMAGE (B, H, W, C)."""
    for index in indices:
        yield to_pixels(images[index : index + 1, :, :, :3].movedim(-1, 1))[0]


def to_image(frames: Iterable[np.ndarray], count: int) -> torch.Tensor:
    """IMAGE (count, H, W, C) of uint8 (H, W, 3) frames of one size."""
    images = None
    for index, frame in enumerate(frames):
        if images is None:
            images = torch.empty(count, *frame.shape)
        images[index] = to_frames(frame[None])[0].movedim(0, -1)
    return images


@contextmanager
def open_clip(source, frame_rate: float = 25.0) -> Iterator[Clip]:
    """The library's `Clip` of a VIDEO, or of an IMAGE: one picture, or a batch that is a clip at `frame_rate`.

    A VIDEO keeps its own rate and is decoded as it is read.
    """
    if isinstance(source, torch.Tensor):
        yield _from_images(source, to_rate(frame_rate))
    elif isinstance(source, InputImpl.VideoFromComponents):
        components = source.get_components()
        yield _from_images(components.images, Fraction(components.frame_rate))
    elif isinstance(source, Input.Video):
        stream = source.get_stream_source()
        is_trimmed = source.get_active_trim_window() != (0, 0)
        if isinstance(stream, str) and not is_trimmed:
            yield Clip.open(stream)
        else:
            with temporary_file(".mp4") as path:
                if is_trimmed:
                    source.save_to(str(path), crf=0)
                else:
                    path.write_bytes(stream.getbuffer())
                yield Clip.open(path)
    else:
        raise ValueError(
            f"The source is neither a picture nor a video but {type(source).__name__}; some packs send a file name "
            "where VIDEO stands. Use Load Video or Create Video."
        )


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


def _from_images(images: torch.Tensor, frame_rate: Fraction) -> Clip:
    frames, height, width = images.shape[:3]
    if frames == 1:
        return Clip.from_picture(next(to_pixel_frames(images, [0])), frame_rate=frame_rate)
    order = partial(pingpong_indices, frames)
    return Clip(width, height, frame_rate, frames, lambda count: to_pixel_frames(images, order(count)))


@contextmanager
def temporary_file(suffix: str) -> Iterator[Path]:
    """A name in ComfyUI's temp folder; what lies there is deleted at the end."""
    path = result_file(suffix)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def result_file(suffix: str) -> Path:
    """A name in ComfyUI's temp folder, which is emptied when the server starts."""
    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"animal-lipsync-{uuid4().hex[:12]}{suffix}"


def chosen(track: FaceTrack, clip: Clip) -> Faces:
    """The value of ANIMAL_FACE: one track in the pixels of `clip`, at its frames or, of length 1, for all of them."""
    return Faces(clip.width, clip.height, clip.frame_rate if len(track) > 1 else Fraction(0), len(track), (track,))
